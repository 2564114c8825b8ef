package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"pgregory.net/rapid"

	"github.com/longctx/pipeline/cmd/internal/build"
	"github.com/longctx/pipeline/dataset"
)

func TestSizesAreReadWithTheirUnits(t *testing.T) {
	for text, want := range map[string]Size{"64MiB": 64 << 20, "1.5GiB": 3 << 29, "10 kB": 10_000, "7": 7, "7B": 7, "2G": 2 << 30} {
		var got Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "-1MiB", "0", "1e30TiB", "NaN", "many"} {
		if err := new(Size).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken as a size", text)
		}
	}
}

func TestWhatIsPrintedIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := Size(rapid.Int64Range(1, 1<<50).Draw(t, "size"))
		text, _ := size.MarshalText()
		var got Size
		if err := got.UnmarshalText(text); err != nil || got != size {
			t.Fatalf("%d is written %s and read %d, %v", size, text, got, err)
		}
		share := Share(rapid.IntRange(0, 1000).Draw(t, "share")) / 1000
		text, _ = share.MarshalText()
		var back Share
		if err := back.UnmarshalText(text); err != nil || back-share > 1e-12 || share-back > 1e-12 {
			t.Fatalf("%v is written %s and read %v, %v", share, text, back, err)
		}
	})
}

func TestLengthsTakeThousands(t *testing.T) {
	var got Lengths
	if err := got.UnmarshalText([]byte("20K, 60_000,120000")); err != nil || !slices.Equal(got, Lengths{20_000, 60_000, 120_000}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "1,,2", "9999999999", "3000000K", "x"} {
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken as lengths", text)
		}
	}
}

func TestEveryErrorHasItsExitStatus(t *testing.T) {
	for want, err := range map[int]error{
		ExitDone:        nil,
		ExitFailed:      errors.New("x"),
		ExitUsage:       fmt.Errorf("verb: %w", Usage(errors.New("x"))),
		ExitFindings:    fmt.Errorf("audit: %w", ErrFindings),
		ExitNoDataset:   fmt.Errorf("inspect: %w", dataset.ErrNoManifest),
		ExitLocked:      WithHint(fmt.Errorf("build: %w", build.ErrLocked), "wait"),
		ExitCorrupt:     errors.Join(fs.ErrClosed, dataset.ErrCorrupt),
		ExitInterrupted: fmt.Errorf("split 3: %w", context.Canceled),
	} {
		if got := Status(err); got != want {
			t.Errorf("%v: status %d, want %d", err, got, want)
		}
	}
}

func TestTheHintNearestToTheCauseIsTheOneThatIsShown(t *testing.T) {
	var b bytes.Buffer
	Report(&b, WithHint(fmt.Errorf("build: %w", WithHint(errors.New("no disk"), "buy one")), "see --help"))
	if want := "pipeline: error: build: no disk\npipeline: hint: buy one\n"; b.String() != want {
		t.Errorf("got %q", b.String())
	}
}

func TestFlagsOverrideTheFileAndTheFileOverridesDefaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pipeline.toml")
	text := "output = \"from-file\"\nworkers = 3\n[[input]]\npath = \"a.jsonl\"\nformat = \"qmsum\"\n[bucket]\nphases = [1, 2]\n"
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	load := func(args ...string) *Config {
		t.Helper()
		var c *Config
		cmd := &cobra.Command{Use: "x", SilenceErrors: true}
		f := AddFlags(cmd, "build", "ingest", "tokenize", "bucket")
		cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
			c, err = f.Load(cmd)
			return err
		}
		cmd.SetArgs(args)
		if err := cmd.Execute(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := load("--config", file, "--workers", "5", "--no-text")
	if c.Output != "from-file" || c.Workers != 5 || !slices.Equal(c.Bucket.Phases, Lengths{1, 2}) || !c.Bucket.NoText ||
		c.MaxMemory != 384<<20 || c.Tokenize.Template != "qwenlong-l1" {
		t.Errorf("got %+v", c)
	}
	if d := cmp.Diff([]InputConfig{{Path: "a.jsonl", Format: "qmsum"}}, c.Input); d != "" {
		t.Errorf("inputs of the file:\n%s", d)
	}
	c = load("--config", file, "--input", "b", "--input", "c", "--map", "question=q,context=d.t", "--data-source", "z")
	want := InputConfig{Path: "b", Format: "auto", Map: map[string]string{"question": "q", "context": "d.t"}, DataSource: "z"}
	if d := cmp.Diff(want, c.Input[0]); d != "" || len(c.Input) != 2 {
		t.Errorf("inputs of the flags:\n%s", d)
	}
}

func TestEveryOptionHasHelpAndADefaultThatItTakes(t *testing.T) {
	seen := map[string]bool{} // flags of a section: verbs with other sections may have the same
	for _, o := range allOptions() {
		if o.help == "" || len(o.sections) == 0 {
			t.Errorf("--%s: help %q, sections %q", o.flag, o.help, o.sections)
		}
		for _, section := range o.sections {
			if seen[section+" "+o.flag] {
				t.Errorf("--%s stands twice in section %q", o.flag, section)
			}
			seen[section+" "+o.flag] = true
		}
		if err := o.set(new(Config), o.def); err != nil {
			t.Errorf("--%s: default %q: %v", o.flag, o.def, err)
		}
	}
}

func TestALogLineComesEvery30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		p := new(build.Progress)
		p.BytesTotal.Store(1000)
		p.BytesDone.Store(250)
		p.SplitsTotal.Store(4)
		p.Samples.Store(3000)
		stop := Watch(t.Context(), &b, p, false)
		time.Sleep(65 * time.Second)
		stop()
		lines := strings.Split(strings.TrimSpace(b.String()), "\n")
		if len(lines) != 2 || lines[0] != "pipeline: 25% of 1000 B, split 0 of 4, 100 samples/s, 0 tokens/s, 0 drops" {
			t.Errorf("got %q", lines)
		}
	})
}

func TestQuietIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		stop := Watch(t.Context(), &b, new(build.Progress), true)
		time.Sleep(time.Hour)
		stop()
		if b.Len() > 0 {
			t.Errorf("got %q", b.String())
		}
	})
}

func TestBarsAreAsLongAsTheirShare(t *testing.T) {
	for _, c := range []struct {
		n, largest int64
		want       string
	}{{0, 10, ""}, {10, 10, "████"}, {5, 10, "██"}, {1, 1000, "▏"}, {9, 16, "██▎"}, {3, 0, ""}} {
		if got := Bar(c.n, c.largest, 4); got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.n, c.largest, got, c.want)
		}
	}
}

func TestALockIsGoneWithItsHolder(t *testing.T) {
	dir := FileLocker(t.TempDir())
	release, err := dir.Lock(".lock", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, shared := range []bool{false, true} {
		if _, err := dir.Lock(".lock", shared); !errors.Is(err, build.ErrLocked) {
			t.Errorf("shared %v: %v", shared, err)
		}
	}
	release()
	first, err := dir.Lock(".lock", true)
	if err != nil {
		t.Fatal(err)
	}
	second, err := dir.Lock(".lock", true)
	if err != nil {
		t.Fatal(err)
	}
	first()
	second()
}
