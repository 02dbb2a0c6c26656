# What sendmail and newaliases read: the caller's message and the file of aliases.
$(eval $(call program_fuzz,admin/fuzz_aliases,admin/sendmail/aliases_parse,mail directory ipc io base os,))
$(eval $(call program_fuzz,admin/fuzz_compose,admin/sendmail/compose admin/sendmail/options,mail params conf base os,))
