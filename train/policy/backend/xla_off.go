//go:build !xla

package backend

import "fmt"

func openXLA(name, _ string, _ Options) (*Backend, error) {
	return nil, fmt.Errorf("open backend %s: this program was built without XLA; build it with make build-xla (needs a C compiler), or use backend go", name)
}
