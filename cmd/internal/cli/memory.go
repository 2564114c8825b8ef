package cli

import (
	"bufio"
	"fmt"
	"os"
)

// Memory is a size, or "auto": nine tenths of what the machine has free.
type Memory struct{ Size }

// UnmarshalText reads a size or "auto".
func (m *Memory) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		m.Size = 0
		return nil
	}
	return m.Size.UnmarshalText(text)
}

// MarshalText writes what UnmarshalText reads.
func (m Memory) MarshalText() ([]byte, error) {
	if m.Size == 0 {
		return []byte("auto"), nil
	}
	return m.Size.MarshalText()
}

// bytes returns the limit; 0 where nobody knows one.
func (m Memory) bytes() int64 {
	if m.Size > 0 {
		return int64(m.Size)
	}
	return freeMemory() / 10 * 9
}

// freeMemory returns what Linux says is available, 0 elsewhere.
func freeMemory() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kilobytes int64
		if _, err := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &kilobytes); err == nil {
			return kilobytes << 10
		}
	}
	return 0
}
