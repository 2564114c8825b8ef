package train

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/longctx/pipeline/dataset"
	"github.com/longctx/pipeline/sample/curriculum"
	"github.com/longctx/pipeline/sample/history"
)

// ExportOptions say which plan another trainer wants as a file.
type ExportOptions struct {
	Format string // of sample/export. Example: "verl"
	Plan   *curriculum.Plan
	Output dataset.FS
	Name   string
}

// ImportOptions say what another trainer's rollouts are outcomes of.
type ImportOptions struct {
	Format     string // of sample/history/intake. Example: "verl"
	Folder     string // that holds them
	Run        string
	TrainStage string
	Phase      int32
	Step       int64 // the first
	Policy     string
	Limits     history.Limits
	Judge      string
}

// An ImportReport counts what was read.
type ImportReport struct{ Outcomes, Rollouts, Unknown, Bad int64 }

// ErrRunner means that another trainer failed.
var ErrRunner = errors.New("the trainer failed")

// external runs a stage by another trainer: it exports the plan, starts the command, and reads
// what was rewarded back into the history, from which the next stage's plan is drawn. It is one
// step of the run: stopped inside, it starts again from the trainer's own checkpoints.
//
//	runs/NAME/external/STAGE/plan.parquet   the plan, in the trainer's format
//	runs/NAME/external/STAGE/rollouts/      where the trainer dumps its rollouts
func (r *run) external(s *Stage) (ended string, err error) {
	if r.Export == nil || r.Import == nil {
		return "", fmt.Errorf("%w: runner %s needs an exporter and an importer", ErrOptions, s.Runner)
	}
	snap, err := r.history.Snapshot()
	if err != nil {
		return "", err
	}
	// The whole plan at once: another trainer reads a file.
	order, err := openOrder(r.ctx, r.Options, r.manifest, s, r.state.Segments, snap)
	if err != nil {
		return "", err
	}
	for !order.plan.Done() {
		if err := order.grow(r.ctx, snap); err != nil {
			return "", err
		}
	}
	folder := path.Join("external", s.Name)
	if err := r.Export(r.ctx, ExportOptions{Format: s.Runner, Plan: order.plan, Output: r.Folder, Name: path.Join(folder, "plan.parquet")}); err != nil {
		return "", fmt.Errorf("export the plan: %w", err)
	}
	rollouts := path.Join(folder, "rollouts")
	if err := r.command(s, folder, rollouts); err != nil {
		return "", err
	}
	got, err := r.Import(r.ctx, r.history, ImportOptions{
		Format: s.Runner, Folder: filepath.Join(r.FolderAt, rollouts), Run: r.Run, TrainStage: s.Name, Phase: s.Phase, Step: r.state.step,
		Policy: r.Run + "@" + s.Name, Judge: r.Judge,
		Limits: history.Limits{MaxPrompt: s.MaxPrompt, MaxResponse: s.MaxResponse, Temperature: history.Known(float32(s.Temperature))},
	})
	if err != nil {
		return "", fmt.Errorf("read the rollouts of %s: %w", s.Runner, err)
	}
	if got.Outcomes == 0 {
		return "", fmt.Errorf("%w: %s ended without an error, but %s holds no outcome of this dataset (%d records are in the history's quarantine)", ErrRunner, s.Runner, rollouts, got.Bad)
	}
	c := &r.state.Current
	c.Groups, c.Rollouts, c.Unknown = got.Outcomes, got.Rollouts, got.Unknown
	return fmt.Sprintf("%s is done: %d outcomes", s.Runner, got.Outcomes), nil
}

// command runs the stage's command in a shell, with what it needs to know in its environment.
func (r *run) command(s *Stage, folder, rollouts string) error {
	at := func(name string) string { return filepath.Join(r.FolderAt, filepath.FromSlash(name)) }
	env := map[string]string{
		"PIPELINE_PLAN": at(path.Join(folder, "plan.parquet")), "PIPELINE_ROLLOUTS": at(rollouts), "PIPELINE_OUTPUT": at(folder),
		"PIPELINE_DATASET": r.Path, "PIPELINE_RUN": r.Run, "PIPELINE_STAGE": s.Name, "PIPELINE_PHASE": fmt.Sprint(s.Phase),
		"PIPELINE_MAX_PROMPT": fmt.Sprint(s.MaxPrompt), "PIPELINE_MAX_RESPONSE": fmt.Sprint(s.MaxResponse), "PIPELINE_STEPS": fmt.Sprint(s.Steps),
		"PIPELINE_GROUP_SIZE": fmt.Sprint(s.GroupSize), "PIPELINE_BATCH": fmt.Sprint(s.Batch), "PIPELINE_LR": fmt.Sprint(s.LR),
		"PIPELINE_TEMPERATURE": fmt.Sprint(s.Temperature), "PIPELINE_TOP_P": fmt.Sprint(s.TopP), "PIPELINE_SEED": fmt.Sprint(r.Seed),
	}
	if err := os.MkdirAll(at(rollouts), 0o777); err != nil {
		return err
	}
	cmd := exec.CommandContext(r.ctx, "sh", "-c", s.Command)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that its children end with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	cmd.Env = cmd.Environ()
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	log, err := r.Folder.Create(path.Join(folder, "log.txt"))
	if err != nil {
		return err
	}
	defer log.Close()
	var last tail
	cmd.Stdout, cmd.Stderr = log, io.MultiWriter(log, &last)
	r.say(s, "%s: %s started; its output is in %s", s.Name, s.Runner, at(path.Join(folder, "log.txt")))
	if err := cmd.Run(); err != nil {
		if r.ctx.Err() != nil {
			return r.ctx.Err()
		}
		return fmt.Errorf("%w: %w; it wrote %q last", ErrRunner, err, strings.TrimSpace(string(last)))
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail []byte

const tailBytes = 500

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	if n := len(*t) - tailBytes; n > 0 {
		*t = append((*t)[:0], (*t)[n:]...)
	}
	return len(p), nil
}
