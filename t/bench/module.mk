# Figures beside Postfix and Dovecot, where they are installed: make bench, make bench QUICK=1 (under two minutes).
.PHONY: bench bench-peers
bench: all
	@$(PYTHON) t/bench/bench.py --bin $(BIN) $(if $(QUICK),--quick) $(BENCH)

bench-peers:
	@t/bench/install-peers
