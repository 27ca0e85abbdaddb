.PHONY: help test bench load flood

help: ## lists the targets
	@sed -n 's/^\([a-z]*\): ## /\1\t/p' $(MAKEFILE_LIST)

test: ## does what CI does, and installs the databases that it needs
	.ci/run

bench: ## compares authmw with its peers, and writes the tables and the chart of docs/performance.md
	go run ./bench -markdown docs/performance-tables.md -svg docs/performance.svg

load: ## puts a server on loopback under load, bare and with Required in turn
	go run ./bench -load

flood: ## floods a plugin without a master key with forged tokens, and says what its users saw
	go run ./bench -flood
