# Everything that a checkout needs, from a fresh clone. Targets make .venv themselves and are quick when it is there.

PYTHON ?= # the first of 3.11 to 3.13 that works; or name one: make PYTHON=/path/to/python3.12
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# One test more at once than there are processors (tests/conftest.py), each process with a TensorFlow of its own in memory; or whole files,
# whose tests share environments or boards (xdist_group does not group under pytest 9), the longest first. A test that takes longer than
# LONG hangs: no wish for speed, on no machine.
PARALLEL := -n logical --maxprocesses 8 --dist worksteal
GROUPED := -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder --randomly-dont-reorganize --timeout 3600
LONG := --timeout 3600
FUZZ_SECONDS := 600
MCU_TOOLS := g++ clang cppcheck arm-none-eabi-gcc riscv64-unknown-elf-gcc qemu-system-arm qemu-system-riscv32
MCU_PACKAGES := g++ clang libclang-rt-dev cppcheck gcc-arm-none-eabi libnewlib-arm-none-eabi gcc-riscv64-unknown-elf qemu-system-arm qemu-system-misc

# Many short processes of Python: none compiles again what another has compiled, whatever a container's image says of it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check format test-slow test-venvs test-guide test-demo test-anywhere test-browser test-ssh test-mcu test-machine soak test-soak test-fuzz test-arm64 test-armv7 test-devices test-boards instructions test-instructions wheelhouse pages operators device-figures bench-proof bench-reference emulated-reference ablation clean help

help:           ## say what the targets do
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(READY)  ## train, convert, check, benchmark, report: all of it on the embedded MNIST, into demo/
	$(BIN)/digits pipeline --out demo

test: $(READY)  ## the test suite that has to pass before every commit
	$(BIN)/python -m pytest $(PARALLEL)

check: $(READY) ## format, lint, types (the import rules are a test, run here too)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest tests/test_imports.py

format: $(READY) ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test-slow: $(READY) ## whole experiments, searches and releases on worker processes, some of them killed
	$(BIN)/python -m pytest $(PARALLEL) $(LONG) -m slow

test-anywhere: $(READY) ## what depends on the machine again: on one core, by other clocks, with other kernels, beside busy processes
	$(BIN)/python -m tests.anywhere

test-venvs: $(READY) ## the wheel and the device tests in environments without TensorFlow: LiteRT old and new, tflite-runtime, Python 3.11 to 3.13
	$(BIN)/python -m pytest $(GROUPED) -m venvs tests/venvs

test-demo: demo ## judge what the demo made by plain LiteRT on all test images
	$(BIN)/python -m pytest $(LONG) -m demo tests/test_demo.py

test-guide: $(READY) ## every command of docs/guide.md
	$(BIN)/python -m pytest $(LONG) -m guide tests/test_guide.py

test-browser: $(READY) ## the pages of digits serve and digits report in headless Chromium (Debian's chromium and chromium-driver; installs them as root)
	command -v chromedriver >/dev/null || sh tools/install_packages.sh chromium chromium-driver
	$(BIN)/python -m pytest -m browser tests/edge_runtime/serving tests/benchmarks/reporting

test-ssh: $(READY) ## boards behind a real sshd on loopback: setup, --on, deploy, and killing the laptop's side (Debian's openssh-server; installs it as root)
	test -x /usr/sbin/sshd || sh tools/install_packages.sh openssh-server
	$(BIN)/python -m pytest $(GROUPED) -m ssh tests/edge_runtime/boards

test-mcu: $(READY) ## exported C code by gcc, clang and cross compilers, sanitizers, libFuzzer and cppcheck, and on emulated microcontrollers (Debian's packages; installs them as root)
	for tool in $(MCU_TOOLS); do command -v $$tool >/dev/null || missing=yes; done; \
	test -z "$$missing" || sh tools/install_packages.sh $(MCU_PACKAGES)
	$(BIN)/python -m pytest $(LONG) -m mcu tests/convert/c_code

test-fuzz: $(READY) ## thousands of examples of what the gate tries some of, then the property tests on new ones, for FUZZ_SECONDS (600); failures are kept in .found and tried first from then on
	$(BIN)/python -m pytest $(PARALLEL) $(LONG) -m sweep
	end=$$(( $$(date +%s) + $(FUZZ_SECONDS) )); \
	while [ $$(date +%s) -lt $$end ]; do env -u CI $(BIN)/python -m pytest $(PARALLEL) $(LONG) -m 'hypothesis and not soak and not browser and not ssh and not sweep' || exit 1; done

soak: $(READY) ## half a million requests to digits serve, for docs/results/serving.md; some minutes, on an idle machine; BOARD=... names it
	$(BIN)/python -m tools.studies.serving.soak --board $(BOARD) --force

test-soak: $(READY) ## half a million requests to digits serve: memory, labels, no failure; some minutes
	$(BIN)/python -m pytest $(LONG) -m soak tests/edge_runtime/serving

test-arm64: $(READY) ## the device tests in an emulated 64-bit Raspberry Pi 4 and 3 (needs root)
	$(BIN)/python -m pytest $(GROUPED) -m arm64 tests/emulation

test-armv7: $(READY) ## the device tests in an emulated 32-bit Raspberry Pi 2 (needs root)
	$(BIN)/python -m pytest $(GROUPED) -m armv7 tests/emulation

test-devices: $(READY) ## test-venvs, test-arm64 and test-armv7 at once, which takes less time (needs root)
	$(BIN)/python -m pytest $(GROUPED) -m "venvs or arm64 or armv7" tests/venvs/test_device_tests.py tests/emulation tests/venvs

test-boards: $(READY) ## installing by the README's lines on emulated boards; slow
	$(BIN)/python -m pytest $(GROUPED) -m boards tests/emulation

instructions: $(READY) ## count the instructions a picture of the shipped models on emulated Cortex-A72 and A76, for docs/results/instructions.md and the model cards (Debian, root); after a change of models or wheels
	$(BIN)/python -m tools.studies.device.instructions
	$(BIN)/python -m tools.pages docs/results/instructions.md docs/models.md

test-instructions: $(READY) ## count them again: none takes over 1 % more than committed (Debian, root)
	$(BIN)/python -m pytest $(LONG) -m instructions tests/emulation

test-machine: $(READY) ## an emulated Raspberry Pi as a whole machine, by SSH: setup, --on, deployments, the service of systemd, power cuts (Debian, root); some minutes
	$(BIN)/python -m pytest $(LONG) -m machine tests/emulation

wheelhouse: $(READY) ## gather the wheels for a board without network: make wheelhouse BOARD=...
	$(BIN)/python -m tools.release.wheelhouse $(BOARD)

pages: $(READY) ## write every table of README.md and docs/, and the model cards, from committed results
	$(BIN)/python -m tools.pages

operators: $(READY) ## prove which release of which runtime runs which operators, and write the table; weekly, and after changes of what it is made from
	$(BIN)/python -m tools.release.operators.prove
	$(BIN)/python -m tools.pages docs/results/runtimes.md

# ONNX Runtime, to measure against, in an environment of its own.
ONNX := .cache/onnx
$(ONNX)/.ready: | $(READY)
	test -x $(ONNX)/bin/python || $(BIN)/python -m venv $(ONNX)
	$(ONNX)/bin/python -m pip install --quiet --disable-pip-version-check onnx==1.23.2 onnxruntime==1.32.0
	touch $@

device-figures: $(READY) $(ONNX)/.ready ## measure what is promised on the device, for docs/results/speed.md; five minutes, on an idle machine; BOARD=... names it
	$(BIN)/python -m tools.studies.device.device_figures --onnx $(ONNX)/bin/python --force $(if $(BOARD),--board $(BOARD)) || missed=$$?; \
	$(BIN)/python -m tools.studies.device.photo_speed --force $(if $(BOARD),--board $(BOARD)) || missed=$$?; $(BIN)/python -m tools.pages docs/results/speed.md; exit $${missed:-0}

bench-proof: $(READY) ## prove what docs/benchmarking.md promises, by some 300 runs, on an idle machine; half an hour; BOARD=... names it
	$(BIN)/python -m tools.studies.benchmarks.prove_benchmark --board $(BOARD)

# The alternatives whose packages this environment has not.
OPENVINO := .cache/openvino
$(OPENVINO)/.ready: | $(READY)
	test -x $(OPENVINO)/bin/python || $(BIN)/python -m venv $(OPENVINO)
	$(OPENVINO)/bin/python -m pip install --quiet --disable-pip-version-check openvino==2026.4.1
	touch $@

TFLITE := .cache/tflite
$(TFLITE)/.ready: | $(READY)
	test -x $(TFLITE)/bin/python || $(BIN)/python -m venv $(TFLITE)
	$(TFLITE)/bin/python -m pip install --quiet --disable-pip-version-check tflite-runtime==2.14.0 'numpy<2'
	touch $@

bench-reference: $(READY) $(ONNX)/.ready $(OPENVINO)/.ready $(TFLITE)/.ready ## measure beside every alternative and the limits, for docs/results/benchmarks.md; BOARD=... names the machine
	$(BIN)/python -m tools.studies.benchmarks.measure_models --tutorial .cache/tutorial --force
	$(BIN)/digits bench small small-fp32 .cache/tutorial/tutorial-int8.tflite .cache/tutorial/tutorial-simplified-fp32.tflite \
	  --against all --samples 2000 --keras train/releases/small-seed0/model.keras \
	  --environment tflite-runtime=$(TFLITE)/bin/python --environment openvino=$(OPENVINO)/bin/python \
	  --environment onnxruntime=$(ONNX)/bin/python --environment onnxruntime-int8=$(ONNX)/bin/python \
	  --board against-$(BOARD) --out .cache/bench --force
	$(BIN)/digits bench nano small base base-fp32 --loadgen --layers --sustained 30 --board limits-$(BOARD) --out .cache/bench --force
	cp .cache/bench/against-$(BOARD).json .cache/bench/limits-$(BOARD).json benchmarks/reference/

emulated-reference: $(READY) ## keep the receipts of the shipped models on emulated boards in benchmarks/reference/emulated (function only; no times)
	EDGE_DIGITS_RECEIPTS=benchmarks/reference/emulated $(BIN)/python -m pytest $(LONG) -m "arm64 or armv7" -k shipped tests/emulation

ablation: $(READY) ## measure what each part of the training recipe is worth; half an hour
	$(BIN)/python -m tools.studies.training.ablation

clean:          ## remove what can be made again
	rm -rf $(VENV) .cache build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis demo wheelhouse

# Touched last, so that an interrupted installation is done again.
$(READY): pyproject.toml constraints.txt tools/make_venv.sh
	@PYTHON='$(PYTHON)' sh tools/make_venv.sh
