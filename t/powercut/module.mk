# The programs once more, with what records their changes of files in them (record.h), and what
# reads a disk after a power cut.
powercut := $(O)/t/powercut
TEST_TOOLS += $(powercut)/look $(powercut)/record.so $(powercut)/bin/look $(powercut)/bin/commit $(patsubst $(BIN)/%,$(powercut)/bin/%,$(PROGRAMS))
$(foreach p,$(notdir $(PROGRAMS)),$(eval $(call link,$(powercut)/bin/$(p),$($(p)_prog_obj) \
	$(powercut)/record.o,$($(p)_prog_libs),$($(p)_prog_ld))))
$(eval $(call link,$(powercut)/bin/commit,$(powercut)/commit.o $(powercut)/record.o,kv,))
$(eval $(call link,$(powercut)/look,$(powercut)/look.o,store queue kv mail,))
$(eval $(call link,$(powercut)/bin/look,$(powercut)/look.o $(powercut)/record.o,store queue kv mail,))

# It stands below the sanitizers, whose memory is mapped through it.
$(powercut)/commit.o: CFLAGS += -It
$(powercut)/record.o: CFLAGS := $(filter-out -fsanitize% -fno-sanitize%,$(CFLAGS)) -It
$(powercut)/record.so: t/powercut/record.c t/powercut/record.h
	@mkdir -p $(@D)
	@echo "  link $@"
	@$(CC) $(filter-out -fsanitize% -fno-sanitize%,$(CFLAGS)) -It -fPIC -shared -o $@ $<
