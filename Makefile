# Everything runs from the virtual environment .venv, which the targets create themselves; `make matrix` names others.
VENV := $(CURDIR)/.venv
export PATH := $(VENV)/bin:$(PATH):/usr/sbin:/sbin
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
MAKEFLAGS += --no-print-directory

.PHONY: help demo test test-all lint format unit unit-ansible scenario history soak interruptions operations eyes bench build docs role-tables docs-site matrix golden render shell down setup sanity artefact controller tower

help:
	@echo "make demo                  build the lab, deploy, fail over under traffic, report what a client saw; the lab stays up"
	@echo "make test                  what is promised, once"
	@echo "make test-all              and what takes hours: what is like others, interruptions, operations, history and soak for an hour each, and mutants that history must catch"
	@echo "make lint | unit           the tests that need no lab and no root: [UNIT=tests/unit/test_golden.py]"
	@echo "make format                Python, as ruff wants it"
	@echo "make scenario NAME=...     one Molecule scenario, [ALL=1] whole: $(notdir $(patsubst %/,%,$(dir $(wildcard molecule/*/molecule.yml))))"
	@echo "make interruptions         kill a run after each task that changes something, and let the next one complete it"
	@echo "make operations            what people do to the pair: ways back, upgrades, reboots and removals too: [LAYER=4]"
	@echo "make eyes                  every alert, with its fault: a quarter of an hour"
	@echo "make history               try operations in an order nobody thought of for an hour: [SEED=1] [MINUTES=60] [LAYER=4] [HOSTS=2], or STEPS=\"...\""
	@echo "make soak                  the same changes and losses again and again, for an hour: [MINUTES=60] [LAYER=4]"
	@echo "make controller            set up a stand-in for the API of AWX, and run its job templates"
	@echo "make matrix                unit, sanity and artefact with each ansible-core from the oldest promised to the newest: [ONLY=ends|newest] [TARGETS=...]"
	@echo "make bench                 measure in a lab what both layers cost: writes docs/benchmarks.md"
	@echo "make build                 the collection's tarball, in dist/: [SIGN=key]"
	@echo "make docs-site             the pages of the modules, filters and roles: .build/docs-site/build/html"
	@echo "make docs                  the tables: of variables in roles/*/README.md, and of what was tried in README.md"
	@echo "make golden                the configurations in tests/unit/golden"
	@echo "make render INVENTORY=...  what would be deployed, without a host: in .build/render, or OUT=... [HOST=lb1]"
	@echo "make shell HOST=lb1        log in to a host of the lab that PACS_LAB names, or of the demo's"
	@echo "make down                  remove every lab"

setup:
	@tools/setup.sh lab

demo: export PACS_LAB := demo
demo: export ANSIBLE_INVENTORY := inventory/lab
demo: export ANSIBLE_CALLBACK_PLUGINS := molecule/shared/demo/callback
# So that a task appears in the log when it begins, not with its first result.
demo: export ANSIBLE_DISPLAY_SKIPPED_HOSTS := true
demo: setup
	@tools/step.sh "[1/12] Building the lab (the first time, with its images)" ansible-playbook molecule/shared/create.yml
	@tools/step.sh "[2/12] Starting the PACS nodes and the modality" ansible-playbook molecule/shared/prepare.yml
	@tools/step.sh "[3/12] Deploying: playbooks/site.yml" ansible-playbook playbooks/site.yml
	@tools/step.sh "[4/12] Storing a study through the VIP, and finding it" ansible-playbook molecule/shared/demo.yml --tags study
	@tools/step.sh "[5/12] Killing HAProxy on the master under traffic" ansible-playbook molecule/shared/demo.yml --tags kill
	@tools/step.sh "[6/12] Switching the master off under traffic" ansible-playbook molecule/shared/demo.yml --tags power
	@tools/step.sh "[7/12] Switching it on again under traffic" ansible-playbook molecule/shared/demo.yml --tags return
	@tools/step.sh "[8/12] Switching the master off in the middle of a study" ansible-playbook molecule/shared/demo.yml --tags study_lost
	@PACS_LAYER=4 tools/step.sh "[9/12] Deploying with infinitt_layer: 4" ansible-playbook playbooks/site.yml
	@PACS_LAYER=4 tools/step.sh "[10/12] Switching the master off in the middle of a study" ansible-playbook molecule/shared/demo.yml --tags study_lost
	@PACS_LAYER=4 tools/step.sh "[11/12] Rehearsing faults: playbooks/failover_drill.yml" ansible-playbook playbooks/failover_drill.yml --extra-vars "infinitt_confirm={{ infinitt_vip.split('/')[0] }} infinitt_probe_host=modality infinitt_report_dir=.build/results infinitt_force=true"
	@PACS_LAYER=4 tools/step.sh "[12/12] Showing the status: playbooks/status.yml" sh -c 'ansible-playbook playbooks/status.yml && ansible-playbook molecule/shared/demo.yml --tags end'

test: setup
	@python tools/test.py

test-all: export ALL := 1
test-all: export PACS_EXAMPLES := 400
test-all: test interruptions operations
	@$(MAKE) operations LAYER=7 TESTS=molecule/default/operations/test_records.py
	@PACS_FUZZ=1000000 pytest --quiet tests/unit/plugins/module_utils/test_dicom_fuzz.py
	@set -e; for mutant in $$(PYTHONPATH=molecule/shared python -m history.mutants); do $(MAKE) history MUTANT=$$mutant; done
	@$(MAKE) history
	@$(MAKE) history LAYER=7 MINUTES=20
	@$(MAKE) history STEPS="third@holder third@other"
	@$(MAKE) history HOSTS=3 STEPS="power_off@holder next_power_off@holder power_off_undone next_power_off_undone power_off@other next_power_off@holder next_power_off_undone power_off_undone"
	@$(MAKE) soak
	@$(MAKE) docs-site

# The list of linters is .pre-commit-config.yaml.
lint: export PRE_COMMIT_HOME := $(CURDIR)/.build/pre-commit
lint:
	@tools/setup.sh venv
	@pre-commit run --all-files

format:
	@tools/setup.sh venv
	@ruff format --quiet .
	@ruff check --quiet --fix .

unit:
	@tools/setup.sh unit
	@pytest --quiet $(or $(UNIT),tests/unit)

# What of it is up to Ansible and watches no clock. Where Ansible is only asked for a configuration, test_golden.py and test_render.py say enough.
unit-ansible:
	@$(MAKE) unit UNIT="$(patsubst %,tests/unit/plugins/%.py,filter/test_diagnosis filter/test_site modules/test_certificate_info modules/test_configuration_files modules/test_haproxy_info \
	modules/test_keepalived_info modules/test_node_sessions modules/test_run_lock modules/test_support_bundle plugin_utils/test_survey) \
	$(patsubst %,tests/unit/test_%.py,check_runs documentation examples golden notify_runs render role_specs status_runs support_bundle_runs systems)"

sanity:
	@tools/setup.sh venv
	@tools/sanity.sh

scenario: setup
	@test -n "$(NAME)" || { echo "name a scenario: make scenario NAME=default"; exit 1; }
	@MOLECULE_GLOB='molecule/*/molecule.yml' molecule test --scenario-name $(NAME)

# The lab that PACS_LAB names, for what follows; it is removed afterwards in any case.
IN_A_LAB = set -e; trap 'tools/down.sh $(PACS_LAB)' EXIT; \
	tools/step.sh "Building the lab (the first time, with its images)" ansible-playbook molecule/shared/create.yml; \
	tools/step.sh "Starting the PACS nodes and the modality" ansible-playbook molecule/shared/prepare.yml;
TRIED = tools/step.sh "Writing down what this was tried with" ansible-playbook molecule/shared/tried.yml --extra-vars
DEPLOYED = tools/step.sh "Deploying: playbooks/site.yml" ansible-playbook playbooks/site.yml;

# See molecule/shared/history.
COMMA := ,
history: export PACS_LAB := history
history: export PACS_LAYER := $(or $(LAYER),4)
history: export ANSIBLE_INVENTORY := inventory/lab,molecule/history/lab.yml$(if $(filter 3,$(HOSTS)),$(COMMA)molecule/history/three.yml)
history: export PYTHONPATH := molecule/shared
history: setup
ifneq ($(MUTANT),)
	@tools/mutant.sh $(MUTANT) "$(STEPS)"
else
	@$(IN_A_LAB) \
	tools/step.sh "Deploying" ansible-playbook molecule/history/converge.yml; \
	tools/step.sh "Starting the traffic" ansible-playbook molecule/history/start.yml; \
	python -m history run .build/history/lab.json --seed $(or $(SEED),1) --minutes $(or $(MINUTES),60) $(if $(COUNT),--count $(COUNT)) --steps "$(STEPS)" $(if $(SHRINK),--shrink); \
	$(TRIED) "tried='make history HOSTS=$(or $(HOSTS),2)'"
endif

# Its lab is that of `make history`. What it measured is drawn for docs/benchmarks.md.
soak: export PACS_LAB := history
soak: export PACS_LAYER := $(or $(LAYER),4)
soak: export ANSIBLE_INVENTORY := inventory/lab,molecule/history/lab.yml,molecule/history/soak.yml
soak: export PYTHONPATH := molecule/shared:molecule/shared/testing
soak: setup .build/bench
	@$(IN_A_LAB) \
	tools/step.sh "Deploying" ansible-playbook molecule/history/converge.yml; \
	tools/step.sh "Starting the traffic" ansible-playbook molecule/history/start.yml; \
	python -m soaking .build/history/lab.json $(or $(MINUTES),60)
	@.build/bench/bin/python bench/soak.py .build/results/soak.json docs/benchmarks/soak.svg

# In the lab "spare". Nothing of it is drawn by a seed, and all of it takes most of an hour. INTERRUPTIONS="restart,start" names cycles of test_interruptions.py.
interruptions: export PACS_LAB := spare
interruptions: export ANSIBLE_INVENTORY := inventory/lab
interruptions: export INTERRUPTIONS ?= all
interruptions: export PYTHONPATH := $(CURDIR)/molecule/shared/testing
interruptions: setup
	@$(IN_A_LAB) $(DEPLOYED) pytest -p no:cacheprovider -p lab_hosts --capture=no molecule/default/tests/test_interruptions.py

# In the lab "spare". `make test` has only what is in tests/, at layer 7. TESTS="..." names files, or tests of them; that is no run to write down.
operations: export ALL := 1
operations: export PACS_LAB := spare
operations: export PACS_LAYER := $(or $(LAYER),4)
operations: export ANSIBLE_INVENTORY := inventory/lab
operations: export PYTHONPATH := $(CURDIR)/molecule/shared/testing
operations: setup
	@$(IN_A_LAB) $(DEPLOYED) pytest -p no:cacheprovider -p lab_hosts --verbose \
	$(or $(TESTS),$(patsubst %,molecule/default/tests/test_%.py,nodes paths returns) $(patsubst %,molecule/default/operations/test_%.py,plans interrupted ways_back upgrade records records_layer4 removals former)); \
	$(if $(TESTS),,$(TRIED) "tried='make operations LAYER=$(PACS_LAYER)'")

# `make test` has a third of it. What the dashboard's queries found is drawn: docs/dashboard.svg.
eyes: .build/bench
	@$(MAKE) scenario NAME=eyes ALL=1
	@.build/bench/bin/python bench/dashboard.py .build/results/eyes.json docs/dashboard.svg

# Matplotlib is for pictures alone and has a virtual environment of its own. The lab is removed in any case.
bench: export PACS_LAB := bench
bench: export LOAD_BEFORE := $(shell cut -d" " -f1 /proc/loadavg)
bench: export ANSIBLE_INVENTORY := inventory/lab
bench: export PYTHONPATH := $(CURDIR)/collections
bench: setup .build/bench
	@set -e; trap 'tools/down.sh bench' EXIT; \
	tools/step.sh "Building the lab (the first time, with its images)" ansible-playbook molecule/shared/create.yml; \
	tools/step.sh "Starting the PACS nodes and the modality" ansible-playbook molecule/shared/prepare.yml bench/prepare.yml; \
	python bench/runs.py .build/results/runs.json; \
	tools/step.sh "Deploying both layers" ansible-playbook playbooks/site.yml --extra-vars @bench/services.yml; \
	python bench/bench.py .build/results/bench-lab.json .build/results/bench.json
	@.build/bench/bin/python bench/report.py .build/results/bench.json .build/results/runs.json docs/benchmarks.md

.build/bench: bench/requirements.txt
	@tools/step.sh "Installing Matplotlib" sh -ec 'python3 -m venv --clear $@ && $@/bin/pip --disable-pip-version-check install --requirement $<'
	@touch $@

# A signature is of MANIFEST.json, which has the checksums of all else: what ansible-galaxy verifies.
ARTEFACT = $(or $(OUT),dist)/pacs-loadbalancer-$(shell sed -n 's/^version: //p' galaxy.yml).tar.gz
build:
	@tools/setup.sh venv
	@ansible-galaxy collection build --force --output-path $(dir $(ARTEFACT))
ifneq ($(SIGN),)
	@tar --extract --to-stdout --file $(ARTEFACT) MANIFEST.json | gpg --batch --yes --local-user "$(SIGN)" --armor --detach-sign --output $(ARTEFACT).asc
endif

artefact:
	@tools/setup.sh artefact
	@pytest --quiet tests/artefact

# awx.awx, ansible-builder and ansible-rulebook are for this alone, and have a directory of their own.
controller: .build/controller
	@pytest --quiet tests/controller

.build/controller: tests/controller/requirements.txt tests/controller/collections.txt
	@tools/setup.sh venv
	@tools/step.sh "Installing awx.awx, ansible-builder and ansible-rulebook" sh -ec 'python3 -m venv --clear $@; \
	$@/bin/pip --disable-pip-version-check install --requirement $<; \
	$@/bin/pip --disable-pip-version-check download --no-deps --dest $@/wheels --requirement tests/controller/collections.txt; \
	$@/bin/python tools/unpack.py $@/wheels ansible_collections/awx/ $@/collections'
	@touch $@

# ONLY=ends: with the oldest and the newest alone.
matrix:
	@tools/setup.sh unit
	@python tools/matrix.py $(ONLY) $(or $(TARGETS),unit sanity artefact)

tower: setup
	@pytest --quiet --exitfirst tests/tower

docs: role-tables
	@python tools/tried.py

# What a linter sees to. Not the table of what was tried: it has the day on which that was.
role-tables:
	@tools/setup.sh venv
	@for role in roles/*; do aar-doc --output-template tools/role_table.md.j2 $$role markdown; done

# Without Sphinx's links to the pages of Ansible and Python, which it would fetch. Links within the collection are a linter's: antsibull-docs.
SITE = .build/docs-site
docs-site:
	@tools/setup.sh venv
	@rm -rf $(SITE) && mkdir -p -m 755 $(SITE)
	@tools/step.sh "Writing the pages of the collection" sh -ec ' \
	antsibull-docs sphinx-init --use-current --sphinx-theme alabaster --project pacs.loadbalancer --title pacs.loadbalancer --dest-dir $(SITE) pacs.loadbalancer; \
	antsibull-docs --config-file $(SITE)/antsibull-docs.cfg collection --fail-on-error --use-current --dest-dir $(SITE)/rst pacs.loadbalancer; \
	sphinx-build -M html $(SITE)/rst $(SITE)/build -c $(SITE) -W --keep-going -D extensions=sphinx_antsibull_ext -D suppress_warnings=ref.ref'
	@echo "$(SITE)/build/html/index.html"

golden:
	@tools/setup.sh venv
	@set -e; for site in tests/unit/golden/*; do python tools/render --inventory $$site/hosts.yml --limit lb1 $$site; done

render:
	@test -n "$(INVENTORY)" || { echo "name an inventory: make render INVENTORY=inventory/example"; exit 1; }
	@tools/setup.sh venv
	@python tools/render --inventory $(INVENTORY) $(if $(HOST),--limit $(HOST)) $(or $(OUT),.build/render)

shell:
	@tools/setup.sh venv
	@tools/shell.sh $(HOST)

down:
	@tools/down.sh --all
