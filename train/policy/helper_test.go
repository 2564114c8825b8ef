package policy_test

import "flag"

var backendName = flag.String("backend", "go", "the backend that computes graphs: go, xla:cpu, xla:cuda")
