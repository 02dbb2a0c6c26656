# Thurn is built by this one makefile; each folder adds a module.mk of a few lines.
#
#	make            programs into build/bin
#	make check      installs what is missing, builds, runs every test
#	make run        a private instance to try
#	make install    DESTDIR= PREFIX=
#	make deb        a Debian package of it, in build/
#	make lint       clang-tidy and cppcheck over what changed since they were content with it
#
# SAN=1 builds with address and undefined-behaviour checking, under build/san.

# As many jobs as processors, unless told otherwise.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif

BUILD   ?= build
PREFIX  ?= /usr
CC      = gcc
CSTD    = -std=gnu17
OPT     = -O2 -g
WARN    = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
CFLAGS  = $(CSTD) $(OPT) $(WARN) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -fno-strict-aliasing \
	  -fstack-protector-strong -fno-omit-frame-pointer
LDFLAGS = -Wl,-z,relro,-z,now
PYTHON  = /usr/bin/python3

ifeq ($(SAN),1)
O       := $(BUILD)/san
CFLAGS  += -fsanitize=address,undefined -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=address,undefined
else
O       := $(BUILD)
# What a program does not call is left out: of a library's file a tenth of most, a third of some. (The sanitizers stand in
# for functions like crypt_r, and would have their libraries left out.)
CFLAGS  += -D_FORTIFY_SOURCE=2 -ffunction-sections -fdata-sections
LDFLAGS += -Wl,--gc-sections,--as-needed
endif

BIN := $(O)/bin

.DEFAULT_GOAL := all
.PHONY: all
.SECONDARY:

# $(call library,NAME,LIBRARIES IT USES,LINKER FLAGS): lib/NAME/*.c becomes lib/libNAME.a
define library
LIBS += $(1)
$(1)_all := $(1) $(sort $(2) $(foreach l,$(2),$($(l)_all)))
$(1)_ld  := $(3) $(foreach l,$(sort $(2)),$($(l)_ld))
$(1)_obj := $(patsubst %,$(O)/%.o,$(basename $(wildcard lib/$(1)/*.c lib/$(1)/*.S)))
$(O)/lib/lib$(1).a: $$($(1)_obj)
	@rm -f $$@
	@ar rcs $$@ $$^
endef

# $(call link,TARGET,OBJECTS,LIBRARIES,LINKER FLAGS)
define link
$(1): $(2) $(foreach l,$(sort $(foreach l,$(3),$($(l)_all))),$(O)/lib/lib$(l).a)
	@mkdir -p $$(@D)
	@echo "  link $$@"
	@$$(CC) $$(LDFLAGS) -o $$@ $(2) -Wl,--start-group \
		$(foreach l,$(sort $(foreach l,$(3),$($(l)_all))),$(O)/lib/lib$(l).a) -Wl,--end-group \
		$(sort $(4) $(foreach l,$(3),$($(l)_ld))) -lpthread
endef

# $(call program,NAME,FOLDER,LIBRARIES,LINKER FLAGS): FOLDER/*.c becomes bin/NAME
define program
PROGRAMS += $(BIN)/$(1)
$(1)_prog_obj := $(patsubst %,$(O)/%.o,$(basename $(wildcard $(2)/*.c)))
$(1)_prog_libs := $(3)
$(1)_prog_ld := $(4)
$(call link,$(BIN)/$(1),$(patsubst %,$(O)/%.o,$(basename $(wildcard $(2)/*.c))),$(3),$(4))
endef

# $(call unit_tests,FOLDER,LIBRARIES,LINKER FLAGS): each t/FOLDER/test_*.c becomes a cmocka program,
# each t/FOLDER/fuzz_*.c one that replays its corpus t/data/fuzz/NAME (make fuzz explores further).
define unit_tests
$(foreach t,$(patsubst t/$(1)/%.c,%,$(wildcard t/$(1)/test_*.c)),$(eval $(call unit_test,$(t),$(1),$(2),$(3))))
$(foreach t,$(patsubst t/$(1)/%.c,%,$(wildcard t/$(1)/fuzz_*.c)),$(eval $(call fuzz_entry,$(t),$(1),$(2),$(3))))
endef
define unit_test
UNIT_TESTS += $(O)/t/$(2)/$(1)
$(call link,$(O)/t/$(2)/$(1),$(O)/t/$(2)/$(1).o,$(3),$(4) -lcmocka)
endef
define fuzz_entry
FUZZ_ENTRIES += $(O)/t/$(2)/$(1)
$(call link,$(O)/t/$(2)/$(1),$(O)/t/$(2)/$(1).o $(O)/t/fuzz/replay.o,$(3),$(4))
$(call fuzz_binary,$(1),$(2),$(3),$(4))
endef
define fuzz_binary
$(call fuzz_link,$(1),t/$(2)/$(1),$(3),$(4))
endef

# $(call fuzz_link,NAME,FILES,LIBRARIES,LINKER FLAGS): fuzz/NAME, with libFuzzer, from objects that are instrumented for it.
fuzz_files = $(1) $(foreach l,$(sort $(foreach l,$(2),$($(l)_all))),$(basename $(wildcard lib/$(l)/*.c lib/$(l)/*.S)))
define fuzz_link
FUZZ_BINARIES += $(O)/fuzz/$(1)
$(O)/fuzz/$(1): $(patsubst %,$(O)/fuzz/obj/%.o,$(call fuzz_files,$(2),$(3)))
	@mkdir -p $$(@D)
	@echo "  fuzz $$@"
	@clang -fsanitize=fuzzer,address,undefined -o $$@ $$^ $(sort $(4) $(foreach l,$(3),$($(l)_ld))) -lpthread
endef

# $(call program_fuzz,FOLDER/NAME,FILES,LIBRARIES,LINKER FLAGS): t/FOLDER/NAME.c with FILES, which are a program's.
define program_fuzz
FUZZ_ENTRIES += $(O)/t/$(1)
$(call link,$(O)/t/$(1),$(patsubst %,$(O)/%.o,t/$(1) t/fuzz/replay $(2)),$(3),$(4))
$(call fuzz_link,$(notdir $(1)),t/$(1) $(2),$(3),$(4))
endef

# $(call session_fuzz,FOLDER/NAME,FILES,LIBRARIES): t/FOLDER/NAME.c hands whole sessions to a program (t/fuzz/engine.h): FILES are the
# program's and others that it is linked with, without main.c and .c.
session_fuzz = $(call program_fuzz,$(1),t/fuzz/engine t/fuzz/certificate $(2),tls $(3),)

# Layers, lowest first: a module may use only what stands before it (t/layers holds the table).
include $(patsubst %,lib/%/module.mk,base os json io tls conf params mail smtp imap pop3 ipc kv \
	directory auth queue store route submit service agent login)
include $(wildcard $(foreach p,master smtpd imapd pop3d qmgr local admin,$(p)/module.mk $(p)/*/module.mk))
include $(sort $(shell find t etc -name module.mk))

$(O)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  cc   $<"
	@$(CC) $(CFLAGS) -Ilib -I. -MMD -MP -c -o $@ $<
$(O)/%.o: %.S
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -Ilib -I. -MMD -MP -c -o $@ $<
FUZZ_CFLAGS = $(CSTD) -O1 -g -D_GNU_SOURCE -fno-strict-aliasing -fsanitize=fuzzer-no-link,address,undefined \
	      -fno-sanitize-recover=undefined
$(O)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	@$(filter ccache,$(CC)) clang $(FUZZ_CFLAGS) -Ilib -I. -MMD -MP -c -o $@ $<
$(O)/fuzz/obj/%.o: %.S
	@mkdir -p $(@D)
	@clang $(FUZZ_CFLAGS) -Ilib -I. -MMD -MP -c -o $@ $<
-include $(shell test -d $(O) && find $(O) -path $(O)/debian -prune -o -type f -name '*.d' -print)

all: $(PROGRAMS)

.PHONY: deps check run etc man fuzz
deps:
	@etc/deps test

# The packages come first: what is built may need them.
check: deps
	@$(MAKE) --no-print-directory all units man
	@t/run --bin $(BIN) $(UNIT_TESTS) -- $(FUZZ_ENTRIES) -- $(TESTS)

run:
	@etc/deps build
	@$(MAKE) --no-print-directory all
	@$(PYTHON) etc/try $(BIN)

# The commented defaults, from the tables of parameters; they are committed.
etc: $(BIN)/thurn
	@$< generate etc etc

man: $(O)/man/thurn.8
$(O)/man/thurn.8: $(BIN)/thurn
	@$< generate man $(@D)

.PHONY: install
install: all man
	@etc/install $(O) "$(DESTDIR)" $(PREFIX)

.PHONY: deb
deb: all man
	@debian/build $(O)

# Each entry for T seconds (make fuzz T=3600), beginning with its corpus, with the words of its dictionary if it has one;
# what it finds that is new stays in build/.
T = 60
fuzz: $(FUZZ_BINARIES)
	@for f in $(FUZZ_BINARIES); do \
		n=$$(basename $$f); mkdir -p $(O)/corpus/$$n && \
		$$f -max_total_time=$(T) -timeout=10 -artifact_prefix=$(O)/corpus/ \
			$$(ls t/data/fuzz/$$n.dict 2>/dev/null | sed s/^/-dict=/) $(O)/corpus/$$n t/data/fuzz/$$n || exit 1; \
	done

# A file is looked at again when it or a header of it has changed. .clang-tidy says which checks, and why not the others;
# an exception stands at its line, with its reason.
LINTED := $(patsubst %.c,$(O)/lint/%.ok,$(shell find lib master smtpd imapd pop3d qmgr local admin t -name '*.c'))
.PHONY: lint
lint: $(LINTED) $(O)/lint/cppcheck.ok
$(O)/lint/%.ok: %.c $(O)/%.o .clang-tidy t/.clang-tidy
	@mkdir -p $(@D)
	@echo "  tidy $<"
	@nice clang-tidy --quiet $< -- $(CSTD) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Ilib -I. -It 2>$@.err || { cat $@.err; exit 1; }
	@mv $@.err $@
$(O)/lint/cppcheck.ok: $(LINTED)
	@mkdir -p $(@D)/cppcheck
	@echo "  cppcheck"
	@nice cppcheck --quiet --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--std=c11 -D_GNU_SOURCE -D__x86_64__ -D__linux__ -Ilib -I. --library=etc/cppcheck.cfg --cppcheck-build-dir=$(@D)/cppcheck \
		lib master smtpd imapd pop3d qmgr local admin t
	@touch $@

.PHONY: libs units clean
libs: $(foreach l,$(LIBS),$(O)/lib/lib$(l).a)
units: $(UNIT_TESTS) $(FUZZ_ENTRIES) $(TEST_TOOLS)
clean:
	rm -rf $(BUILD)
