"""llama.cpp's own server, by the wheel `xllamacpp`: options as JSON in the first argument, the address on stdout.

`{"file": "model.gguf", "context_tokens": 2048, "template": "...", "port": 0, "slots": 1}`; ends when stdin does.
"""

import json
import os
import sys

import xllamacpp


def main() -> None:
    options = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the library prints there too
    params = xllamacpp.CommonParams()
    params.model.path = options["file"]
    params.n_ctx = options.get("context_tokens", 4096)
    params.n_parallel = options.get("slots", 1)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = len(os.sched_getaffinity(0))
    params.chat_template = options.get("template", "")
    params.sampling.temp = 0.3
    params.fit_params = False
    params.cache_ram_mib = 256
    params.hostnames = ["127.0.0.1"]
    params.port = options.get("port", 0)
    params.endpoint_slots = True  # what a stop frees is looked at there
    params.endpoint_metrics = True
    params.ui = False
    params.offline = True
    server = xllamacpp.Server(params)
    print(server.listening_address, file=answers, flush=True)
    while sys.stdin.buffer.read(1024):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
