# Whole sessions of the programs that read network octets, without their process frame.
c_names = $(filter-out %/main,$(basename $(wildcard $(1)/*.c)))
$(eval $(call session_fuzz,smtpd/fuzz_smtp_session,$(call c_names,smtpd) t/fuzz/doubles lib/directory/messages lib/route/cache lib/auth/accounts,\
	smtp mail io ipc params conf os base))
$(eval $(call session_fuzz,imapd/fuzz_imap_session,$(call c_names,imapd) lib/login/handoff t/fuzz/handover,\
	store imap mail io ipc params conf os base))
$(eval $(call session_fuzz,pop3d/fuzz_pop3_session,$(call c_names,pop3d) lib/login/handoff t/fuzz/handover,\
	store pop3 mail io ipc params conf os base))
$(foreach p,imap pop3,$(eval $(call session_fuzz,imapd_login/fuzz_$(p)_login,lib/login/login lib/login/handoff t/fuzz/doubles,\
	$(p) mail io ipc params conf os base)))
