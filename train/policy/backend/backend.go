// Package backend opens the machine that computes a policy's graphs: pure Go by default, XLA
// where the program was built for it.
//
// Its rule: the name that the user gave is the backend that runs, or an error says what to
// install. Nothing is downloaded, nothing is printed, and there is no silent fallback.
package backend

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
)

// Default is the backend that every build has.
const Default = "go"

// A Backend is open, and knows how to say so in one line.
type Backend struct {
	compute.Backend
	Name        string // Example: "xla:cuda"
	Description string // Example: "pure Go, 2 threads, AVX-512"
}

// An Options says where to look for what is not in the program.
type Options struct {
	// PluginFolder holds pjrt_c_api_cpu_plugin.so or its like; "" leaves the search to
	// PJRT_PLUGIN_LIBRARY_PATH and the system's folders.
	PluginFolder string
}

// Open opens "go", "xla:cpu" or "xla:cuda"; "" is Default.
func Open(name string, o Options) (*Backend, error) {
	kind, device, _ := strings.Cut(name, ":")
	switch {
	case name == "" || name == Default:
		return openGo()
	case kind == "xla" && device != "":
		return openXLA(name, device, o)
	}
	return nil, fmt.Errorf("unknown backend %q; known are go, xla:cpu and xla:cuda", name)
}

func openGo() (*Backend, error) {
	b, err := gobackend.New("")
	if err != nil {
		return nil, fmt.Errorf("open backend go: %w", err)
	}
	if err := unbound(b); err != nil {
		return nil, fmt.Errorf("open backend go: %w", err)
	}
	description := fmt.Sprintf("pure Go, %d threads, %s", runtime.GOMAXPROCS(0), vectors())
	return &Backend{Backend: b, Name: Default, Description: description}, nil
}

// unbound lets the Go backend start as many goroutines as it likes. With its default bound,
// workers that hold every slot of the pool wait for workers that never get one, and the first
// training step hangs. The option "parallelism=-1" does the same but prints to standard
// output, where the program's data goes; so the pool, which is in an internal package, is
// reached by its exported names.
func unbound(b compute.Backend) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("this version of GoMLX has another pool of workers (%v)", r)
		}
	}()
	workers := reflect.ValueOf(b).Elem().FieldByName("Workers")
	workers.MethodByName("SetMaxParallelism").Call([]reflect.Value{reflect.ValueOf(-1)})
	return nil
}
