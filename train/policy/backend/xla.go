//go:build xla

package backend

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gomlx/go-xla/compute/xla"
)

// pluginFolders is the variable that go-xla searches for PJRT plugins.
const pluginFolders = "PJRT_PLUGIN_LIBRARY_PATH"

// openXLA loads the PJRT plugin of a device, which it never downloads.
func openXLA(name, device string, o Options) (*Backend, error) {
	xla.EnableAutoInstall(false)
	plugin := device
	if o.PluginFolder != "" {
		found, err := find(o.PluginFolder, device)
		if err != nil {
			return nil, fmt.Errorf("open backend %s: %w", name, err)
		}
		plugin = found
	}
	b, err := xla.New(plugin)
	if err != nil {
		return nil, fmt.Errorf("open backend %s: %s; %s", name, firstLine(err), install(device))
	}
	return &Backend{Backend: b, Name: name, Description: fmt.Sprintf("XLA (PJRT) on %s, %d devices", device, b.NumDevices())}, nil
}

// find is the path of a device's plugin in a folder.
func find(folder, device string) (string, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	found, err := filepath.Glob(filepath.Join(folder, "pjrt_c_api_"+device+"*_plugin.so"))
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("no pjrt_c_api_%s*_plugin.so in %s; %s", device, folder, install(device))
	}
	return found[0], nil
}

func install(device string) string {
	if device == "cuda" {
		return "put pjrt_c_api_cuda_plugin.so (from the Python wheels jax-cuda12-pjrt or jax-cuda13-pjrt, named xla_cuda_plugin.so there) in a folder and name it with --plugin-folder or " + pluginFolders
	}
	return "put pjrt_c_api_" + device + "_plugin.so (for example from the Python wheel lammps-jax-pjrt-cpu) in a folder and name it with --plugin-folder or " + pluginFolders +
		" (now " + quoted(os.Getenv(pluginFolders)) + ")"
}

func quoted(s string) string {
	if s == "" {
		return "not set"
	}
	return fmt.Sprintf("%q", s)
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
