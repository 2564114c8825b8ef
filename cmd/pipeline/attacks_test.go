package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
)

const mib = 1 << 20

// attackMemory is what the program may take for an input that is many times larger: it plans with
// 64 MiB here, and needs some for itself and for -race.
const attackMemory = 400 * mib

// sizes are what a line, and what a bomb, makes of itself.
func sizes() (line, bomb int) {
	if os.Getenv("PIPELINE_FAULTS") != "" {
		return 300 * mib, 2048 * mib
	}
	return 120 * mib, 512 * mib
}

// An attack is an input that asks for more than it should have. text is what the program says,
// and status its exit status.
type attack struct {
	name   string
	file   string
	write  func(t *testing.T, file string)
	flags  string
	status int
	text   string
}

func attacks() []attack {
	line, bomb := sizes()
	long := func(w io.Writer) {
		put(w, `{"id":"1","question":"q","answer":"a","context":"`)
		repeat(w, "never ends ", line)
		put(w, "\"}\n")
	}
	return []attack{
		{"a line without an end", "docs.jsonl", writes(long), "", 3, "too_large"},
		{"a JSON text of one element", "docs.json", writes(func(w io.Writer) { put(w, "["); long(w); put(w, "]") }), "", 3, "too_large"},
		{"a CSV field without an end", "docs.csv", writes(func(w io.Writer) {
			put(w, "question,context,answer\nq,\"")
			repeat(w, "never ends ", line)
			put(w, "\",a\n")
		}), "", 3, "too_large"},
		{"a bomb of gzip", "docs.jsonl.gz", gzips(func(w io.Writer) { repeat(w, strings.Repeat("0", 64<<10), bomb) }), "", 3, "too_large"},
		{"a bomb of zstd", "docs.jsonl.zst", zstds(func(w io.Writer) { repeat(w, strings.Repeat("0", 64<<10), bomb) }), "", 3, "too_large"},
		{"JSON nested 900,000 deep", "docs.jsonl", writes(func(w io.Writer) {
			put(w, `{"question":"q","answer":"a","context":"c","more":`)
			repeat(w, "[", 900_000)
			repeat(w, "]", 100_000)
			put(w, "\n")
		}), "", 3, "invalid_json"},
		{"Parquet with absurd counts", "docs.parquet", absurdParquet, "", 1, ""},
		{"a prompt template without an end", "docs.jsonl", writes(good), "--chat-template loops.jinja", 3, "template"},
	}
}

func good(w io.Writer) { put(w, `{"id":"1","question":"q","answer":"a","context":"c"}`+"\n") }

// peakOf runs a command and returns what it says and its largest size in bytes, 0 where nobody
// tells. The kernel's account at its end would count this test's own size too: a child begins as
// a copy.
func peakOf(cmd *exec.Cmd) (said []byte, peak int64, err error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	done, sizes := make(chan struct{}), make(chan int64)
	go func() {
		var high int64
		for {
			high = max(high, highWater(cmd.Process.Pid))
			select {
			case <-done:
				sizes <- high
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	err = cmd.Wait()
	close(done)
	return out.Bytes(), <-sizes, err
}

// highWater reads the largest size that a process has had since it became its program.
func highWater(pid int) (size int64) {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fmt.Sscanf(rest, "%d kB", &size)
	return size << 10
}

// TestHostileInputsAreAClearErrorInBoundedMemory measures the largest size of the process.
func TestHostileInputsAreAClearErrorInBoundedMemory(t *testing.T) {
	exe, err := exec.LookPath("pipeline") // testscript puts this test binary there under that name
	if err != nil {
		exe = buildBinary(t)
	}
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			dir := t.TempDir()
			a.write(t, filepath.Join(dir, a.file))
			loops := "{% for i in range(1000000000) %}{% for j in range(1000000000) %}{{ messages }}{% endfor %}{% endfor %}"
			if err := os.WriteFile(filepath.Join(dir, "loops.jinja"), []byte(loops), 0o600); err != nil {
				t.Fatal(err)
			}
			args := "build --input " + a.file + " --tokenizer bytes --max-memory 64MiB --max-record 1MiB --output data " + a.flags
			cmd := exec.Command(exe, strings.Fields(args)...)
			cmd.Dir = dir
			out, peak, err := peakOf(cmd)
			exit, _ := errors.AsType[*exec.ExitError](err)
			if exit == nil || exit.ExitCode() != a.status {
				t.Errorf("want status %d: %v", a.status, err)
			}
			said := string(out) + readAllOf(t, filepath.Join(dir, "data", "quarantine"))
			if !strings.Contains(said, a.text) || strings.Contains(said, "goroutine ") || len(out) == 0 || len(out) > 10_000 {
				t.Errorf("it does not say %q, or more than that:\n%.2000s", a.text, said)
			}
			if peak > attackMemory {
				t.Errorf("%d MiB, and %d are its bound", peak/mib, attackMemory/mib)
			}
			t.Logf("attack: %-40s status %d, at most %d MiB", a.name, cmd.ProcessState.ExitCode(), peak/mib)
		})
	}
}

func readAllOf(t *testing.T, dir string) string {
	t.Helper()
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	var all strings.Builder
	for _, data := range readTree(t, dir) {
		all.Write(data)
	}
	return all.String()
}

func put(w io.Writer, text string) { _, _ = io.WriteString(w, text) } // a bufio.Writer keeps the error

func repeat(w io.Writer, text string, bytes int) {
	for n := 0; n < bytes; n += len(text) {
		put(w, text)
	}
}

func writes(content func(io.Writer)) func(*testing.T, string) {
	return packs(content, func(w io.Writer) (io.WriteCloser, error) { return plain{w}, nil })
}

func gzips(content func(io.Writer)) func(*testing.T, string) {
	return packs(content, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, gzip.BestSpeed) })
}

func zstds(content func(io.Writer)) func(*testing.T, string) {
	return packs(content, func(w io.Writer) (io.WriteCloser, error) {
		return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	})
}

type plain struct{ io.Writer }

func (plain) Close() error { return nil }

func packs(content func(io.Writer), pack func(io.Writer) (io.WriteCloser, error)) func(*testing.T, string) {
	return func(t *testing.T, file string) {
		t.Helper()
		f, err := os.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		buffered := bufio.NewWriterSize(f, 1<<20)
		z, err := pack(buffered)
		if err != nil {
			t.Fatal(err)
		}
		inner := bufio.NewWriterSize(z, 1<<20)
		content(inner)
		if err := errors.Join(inner.Flush(), z.Close(), buffered.Flush(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// absurdParquet writes a sound file and makes its footer say that it is 2 GB long.
func absurdParquet(t *testing.T, file string) {
	t.Helper()
	type row struct {
		Question string `parquet:"question"`
		Context  string `parquet:"context"`
	}
	if err := parquet.WriteFile(file, []row{{"q", "c"}}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	copy(data[len(data)-8:], "\xff\xff\xff\x7f")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
