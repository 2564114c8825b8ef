package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/history"
)

// A served is a server process that is started again when it was killed.
type served struct {
	t        *testing.T
	exe      string
	dir      string
	addrFile string
	cmd      *exec.Cmd
	log      *os.File
}

func (s *served) start() {
	s.t.Helper()
	s.cmd = exec.Command(s.exe, "serve", filepath.Join(s.dir, "data"), "--plan", filepath.Join(s.dir, "plan.parquet"), "--listen", "127.0.0.1:0", "--max-clients", "256", "--max-connections", "1024")
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	aside := s.addrFile + ".tmp"
	if err := os.WriteFile(aside, []byte(strings.TrimPrefix(line, "grpc://")), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(aside, s.addrFile); err != nil {
		s.t.Fatal(err)
	}
}

func (s *served) kill() {
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// TestServerAndTrainersAreKilledAndNothingIsLostOrDoubled lets 64 trainers read a plan and send
// their outcomes, half of them a rollout at a time, while the server is killed with SIGKILL
// over and over; three of the trainers are processes, which are killed too.
func TestServerAndTrainersAreKilledAndNothingIsLostOrDoubled(t *testing.T) {
	const trainers, processes, samples = 64, 3, 48
	kills := int64(faultsOf(t, 3))
	exe, err := exec.LookPath("pipeline") // testscript puts this test binary there under that name
	if err != nil {
		t.Skip("the test binary is not in the path")
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	pipeline(t, exe, "synth", "--samples", fmt.Sprint(samples), "--tokens", "200..1000", "--seed", "3", "--output", in("docs.jsonl"))
	pipeline(t, exe, "-q", "build", "--input", in("docs.jsonl"), "--tokenizer", "bytes", "--phases", "20000", "--output", in("data"))
	pipeline(t, exe, "-q", "sample", in("data"), "--phase", "1", "--output", in("plan.parquet"))

	log, err := os.Create(in("log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s := &served{t: t, exe: exe, dir: dir, addrFile: in("addr"), log: log}
	s.start()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()

	var acknowledged atomic.Int64
	var wg sync.WaitGroup
	for i := range trainers {
		tr := trainer{run: fmt.Sprintf("run-%d", i), addrFile: s.addrFile, cursorFile: in(fmt.Sprintf("cursor-%d", i)), rollouts: i%2 == 0}
		tr.took = func(n int64) { acknowledged.Add(n) }
		wg.Go(func() {
			if i >= processes {
				if err := tr.train(ctx); err != nil {
					t.Error(err)
				}
				return
			}
			killTrainer(ctx, t, &tr, uint64(i))
		})
	}
	all := int64(trainers-processes) * samples
	for k := range kills {
		for acknowledged.Load() < all*(k+1)/(kills+2) && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		s.kill()
		s.start()
	}
	wg.Wait()
	wantEveryOutcomeOnce(t, in("data"), trainers, samples)
	stopGently(t, s)
	t.Logf("kill -9: %-16s %3d kills of the server, %d of trainers; %d outcomes acknowledged, none lost or doubled", "serve", kills, 2*processes, trainers*samples)
}

// killTrainer runs a trainer as a process that is killed twice.
func killTrainer(ctx context.Context, t *testing.T, tr *trainer, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 5))
	for killed := 0; ; killed++ {
		ctx, cancel := context.WithCancel(ctx)
		if killed < 2 {
			ctx, cancel = context.WithTimeout(ctx, time.Duration(100+r.Int64N(700))*time.Millisecond)
		}
		args := []string{tr.run, tr.addrFile, tr.cursorFile, map[bool]string{true: "rollouts", false: "outcomes"}[tr.rollouts]}
		out, err := exec.CommandContext(ctx, "flight-trainer", args...).CombinedOutput() // the end of ctx is SIGKILL
		over := ctx.Err() != nil
		cancel()
		if err == nil {
			return
		}
		if !over {
			t.Errorf("%s: %v\n%s", tr.run, err, out)
			return
		}
	}
}

func wantEveryOutcomeOnce(t *testing.T, data string, trainers, samples int) {
	t.Helper()
	snap, err := history.Read(dataset.Dir(data))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[history.Identity]int{}
	for o, err := range snap.Outcomes(t.Context(), history.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if seen[o.Identity]++; len(o.Rollouts) != 2 || o.Rollouts[0].Reward != history.Known(1) || o.Rollouts[1].Reward != history.Known(0) {
			t.Errorf("%v: %+v", o.Identity, o.Rollouts)
		}
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%v is there %d times", id, n)
		}
	}
	if len(seen) != trainers*samples {
		t.Errorf("%d outcomes of %d", len(seen), trainers*samples)
	}
}

// stopGently ends a server with SIGTERM.
func stopGently(t *testing.T, s *served) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	text, err := os.ReadFile(s.log.Name())
	if err != nil || !strings.Contains(string(text), `"msg":"stopped"`) {
		t.Errorf("the log does not end in a stop: %v", err)
	}
}
