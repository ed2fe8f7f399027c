# Two commands do all: `make demo` and `make test`. Each installs what a bare Debian machine with
# Swift lacks.

SWIFT ?= swift
PREFIX ?= /usr/local
DEMO_OUTPUT ?= demo-output
PYTHON ?= python3
VENV := .build-venv

# Libraries outside the Swift packages: INI files, convolutions and matrix products, images and .ms files. git
# fetches the Swift packages.
PACKAGES := libiniparser-dev libdnnl-dev libturbojpeg0-dev libspng-dev libwebp-dev \
  libflatbuffers-dev git ca-certificates
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: setup build demo test lint install fuzz verify conformance sanitize bench docs proto clean interop

setup:
	@missing=""; for package in $(PACKAGES) $(MORE_PACKAGES); do \
	  dpkg -s $$package >/dev/null 2>&1 || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then \
	  echo "installing$$missing"; \
	  $(SUDO) apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$missing; \
	fi

# The release binary holds the Swift runtime, so that it runs where Swift isn't installed.
RELEASE := -c release --static-swift-stdlib --scratch-path .build-release
BINARY := .build-release/release/gsconvert

build: setup
	$(SWIFT) build $(RELEASE) --product gsconvert

demo: build
	@mkdir -p $(DEMO_OUTPUT)
	@for bits in 8 4; do \
	  echo; echo "== digits_cnn.onnx with $$bits-bit weights"; \
	  $(BINARY) --modelFile=fixtures/digits/digits_cnn.onnx \
	    --outputFile=$(DEMO_OUTPUT)/digits_cnn_w$$bits.onnx \
	    --configFile=configs/demo_w$$bits.cfg || exit 1; \
	done
	@echo; echo "== digits_cnn.onnx with 8-bit weights and activations"
	@$(BINARY) --modelFile=fixtures/digits/digits_cnn.onnx \
	  --outputFile=$(DEMO_OUTPUT)/digits_cnn_int8.onnx --configFile=configs/full_quant.cfg
	@echo; echo "The models are in $(DEMO_OUTPUT)/, a quant_param.csv for each in" \
	  "$(DEMO_OUTPUT)/w8-report/ and $(DEMO_OUTPUT)/w4-report/."

# Only the tests' product: a build of everything would also make the plug-in tools of the packages
# used, a protobuf compiler in C++ among them, and take twice as long.
TESTS := --product gsconvertPackageTests
test: setup
	$(SWIFT) build $(TESTS)
	$(SWIFT) test --skip-build

lint:
	$(SWIFT) format lint --recursive --parallel Sources Tests Package.swift

install: build
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/gsconvert

# Long fuzzing; FUZZ_COUNT inputs of each kind from FUZZ_SEED on.
FUZZ_COUNT ?= 200000
FUZZ_SEED ?= 1
fuzz: setup
	$(SWIFT) build $(RELEASE) --product gsconvert-fuzz
	.build-release/release/gsconvert-fuzz --count $(FUZZ_COUNT) --seed $(FUZZ_SEED)

$(VENV):
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet numpy onnx onnxruntime opencv-python-headless pillow

# MindSpore Lite's own runtime: a wheel of 170 MB for Python 3.7, unpacked, not installed. x86-64 Linux only. INTEROP is
# its folder; models of GSCONVERT_MODELS are run in it too.
INTEROP ?= .build-interop
RUNTIME := $(INTEROP)/mindspore_lite
$(RUNTIME): | $(VENV)
	mkdir -p $(INTEROP)
	$(VENV)/bin/pip download --quiet --no-deps --only-binary=:all: --python-version 3.7 --implementation cp \
	  --abi cp37m --platform manylinux1_x86_64 --dest $(INTEROP) mindspore-lite==2.0.0
	$(VENV)/bin/python -m zipfile -e $(INTEROP)/mindspore_lite-2.0.0-*.whl $(INTEROP)

$(INTEROP)/ms_runtime: Tests/Oracles/ms_runtime.cpp | $(RUNTIME)
	g++ -std=c++17 -O1 -D_GLIBCXX_USE_CXX11_ABI=0 -I$(RUNTIME) -I$(RUNTIME)/include $< -o $@ -L$(RUNTIME)/lib \
	  -Wl,--disable-new-dtags,-rpath,$(abspath $(RUNTIME)/lib) -Wl,--allow-shlib-undefined -lmindspore_converter \
	  -lmslite_converter_plugin -lmindspore_core -l:libmindspore_glog.so.0

# Runs what gsconvert writes for MindSpore Lite in its runtime: each operator, then whole models. MS_CONVERTER is a
# command that takes converter_lite's flags; its files are read too.
interop: build $(VENV) $(INTEROP)/ms_runtime
	$(VENV)/bin/python Tests/Oracles/ms_operators.py $(BINARY) $(INTEROP)/ms_runtime
	$(if $(GSCONVERT_MODELS),$(VENV)/bin/python Tests/Oracles/ms_float.py $(BINARY) $(GSCONVERT_MODELS) $(INTEROP)/ms_runtime)
	$(if $(GSCONVERT_MODELS),$(VENV)/bin/python Tests/Oracles/quantized_input.py $(BINARY) $(GSCONVERT_MODELS) $(INTEROP)/ms_runtime)
	$(if $(GSCONVERT_MODELS),$(VENV)/bin/python Tests/Oracles/ms_on_the_fly.py $(BINARY) $(GSCONVERT_MODELS))
	$(if $(GSCONVERT_MODELS),$(VENV)/bin/python Tests/Oracles/ms_dynamic.py $(BINARY) $(GSCONVERT_MODELS) $(INTEROP)/ms_runtime)
	$(if $(GSCONVERT_MODELS),$(VENV)/bin/python Tests/Oracles/ms_reading.py $(BINARY) $(GSCONVERT_MODELS) $(INTEROP)/ms_runtime $(if $(MS_CONVERTER),--converter $(MS_CONVERTER)))

# REPORT_MODELS names further models and their samples for the reports: MODEL.onnx=FOLDER ...
# Compares quantized weights with numpy and onnxruntime, to the last bit, images with OpenCV, inference
# with onnxruntime on the models in the folder GSCONVERT_MODELS, and kills conversions.
verify: build $(VENV)
	$(VENV)/bin/python Tests/Oracles/verify_all.py $(BINARY)
	$(VENV)/bin/python Tests/Oracles/runtime_operators.py $(BINARY)
	$(VENV)/bin/python Tests/Oracles/dynamic.py $(BINARY)
	$(VENV)/bin/python Tests/Oracles/preprocessing.py $(BINARY)
	$(VENV)/bin/python Tests/Oracles/reports.py $(BINARY) $(REPORT_MODELS)
	$(VENV)/bin/python Tests/Oracles/inference.py $(BINARY) $(GSCONVERT_MODELS)
	$(VENV)/bin/python Tests/Oracles/interruption.py $(BINARY) fixtures/digits/digits_cnn.onnx

# ONNX's backend tests on the inference engine; writes docs/operators.md.
CASES := /usr/share/libonnx-testdata/data
conformance: MORE_PACKAGES := libonnx-testdata
conformance: setup
	$(SWIFT) build $(RELEASE) --product gsconvert-conformance
	.build-release/release/gsconvert-conformance --at-least 1062 --page docs/operators.md \
	  $(addprefix $(CASES)/,node simple pytorch-converted pytorch-operator)

# Many threads in one program, watched by ThreadSanitizer.
sanitize: setup
	$(SWIFT) build $(TESTS) --sanitize=thread --scratch-path .build-thread
	$(SWIFT) test --skip-build --sanitize=thread --scratch-path .build-thread --filter InferenceTests.Concurrency

# Speed and memory against onnxruntime's own quantizer; MODEL=... for another model. With GSCONVERT_MODELS,
# a folder of models, inference against onnxruntime too.
MODEL ?= fixtures/digits/digits_cnn.onnx
bench: build $(VENV)
	$(VENV)/bin/python Benchmarks/run.py $(MODEL) $(BINARY)
	[ -z "$(GSCONVERT_MODELS)" ] || \
	  $(VENV)/bin/python Benchmarks/inference.py $(BINARY) $(GSCONVERT_MODELS)

# Writes the reference pages anew from the tables in the code.
docs: setup
	$(SWIFT) build $(TESTS)
	GSCONVERT_REGENERATE=1 $(SWIFT) test --skip-build --filter ReferenceTests

# Generated code is committed; this needs protobuf-compiler and protoc-gen-swift.
proto:
	cd Sources/ModelFormats/ONNX/Proto && \
	  protoc --swift_out=. --swift_opt=Visibility=Internal onnx_subset.proto

clean:
	rm -rf .build .build-release .build-thread $(INTEROP) $(VENV) $(DEMO_OUTPUT)
