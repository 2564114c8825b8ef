package engine

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/template"

	"github.com/longctx/pipeline/cmd/internal/build"
	"github.com/longctx/pipeline/dataset"
)

var (
	//go:embed task.sh.tmpl
	taskScript string
	//go:embed commit.sh.tmpl
	commitScript string
)

// A SlurmJob is a build that Slurm has been given: an array of tasks, and the commit that waits
// for all of them.
type SlurmJob struct {
	Array  string       `json:"array"`  // empty where only the commit was left
	Commit string       `json:"commit"` // Example: "4712"
	Tasks  []build.Task `json:"tasks"`
}

func (j SlurmJob) String() string {
	if j.Array == "" {
		return "job " + j.Commit
	}
	return fmt.Sprintf("jobs %s (tasks) and %s (commit)", j.Array, j.Commit)
}

const jobFile = "slurm.json"

// MaxSlurmTasks returns how many tasks one array may have here.
func MaxSlurmTasks(ctx context.Context) (int, error) {
	if _, err := exec.LookPath("sbatch"); err != nil {
		return 0, problem("run it on a machine from which jobs are submitted, or choose another --engine", "engine slurm: there is no sbatch here")
	}
	out, err := call(ctx, "scontrol", "show", "config")
	if err != nil {
		return 0, err
	}
	if m := regexp.MustCompile(`(?m)^MaxArraySize\s*=\s*(\d+)`).FindStringSubmatch(out); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil && n > 1 {
			return n - 1, nil // the largest index is one less
		}
	}
	return 1000, nil
}

// Submit gives a build's tasks and its commit to Slurm.
func Submit(ctx context.Context, o Options, work build.Work) (SlurmJob, error) {
	job := SlurmJob{Tasks: work.Tasks}
	if err := o.prepareSlurm(work); err != nil {
		return job, fmt.Errorf("engine slurm: %w", err)
	}
	commit := []string{"--job-name=pipeline-commit", "--output=commit.log"}
	if len(work.Tasks) > 0 {
		var err error
		job.Array, err = o.sbatch(ctx, "task.sh", "--job-name=pipeline-build", "--requeue", "--output=task-%a.log",
			fmt.Sprintf("--array=0-%d", len(work.Tasks)-1), fmt.Sprintf("--cpus-per-task=%d", o.CPUs))
		if err != nil {
			return job, err
		}
		commit = append(commit, "--dependency=afterok:"+job.Array, "--kill-on-invalid-dep=yes")
	}
	var err error
	if job.Commit, err = o.sbatch(ctx, "commit.sh", append(commit, "--requeue")...); err != nil {
		if job.Array != "" {
			_, _ = call(context.WithoutCancel(ctx), "scancel", job.Array)
		}
		return job, err
	}
	data, err := json.Marshal(job)
	if err != nil {
		return job, err
	}
	_, err = dataset.WriteFile(dataset.Dir(o.Output), WorkDir+"/"+jobFile, data)
	return job, err
}

// prepareSlurm writes what the jobs read: the scripts, the list of tasks, and this program, so
// that every node runs the version that made the plan.
func (o *Options) prepareSlurm(work build.Work) error {
	old, err := filepath.Glob(filepath.Join(globQuote(o.work("")), "failed-*"))
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	sum, err := hashFile(o.Program)
	if err != nil {
		return err
	}
	program := "pipeline-" + sum[:16]
	files := map[string][]byte{"tasks.txt": taskList(work.Tasks)}
	if _, err := os.Stat(o.work(program)); errors.Is(err, fs.ErrNotExist) {
		if files[program], err = os.ReadFile(o.Program); err != nil {
			return err
		}
	}
	values := map[string]string{
		"Program": quote(o.work(program)), "Config": quote(o.Config), "Work": quote(o.work("")), "Folder": quote(o.Folder),
		"Attempts": strconv.Itoa(o.Attempts), "Seconds": strconv.FormatFloat(o.Timeout.Seconds(), 'f', -1, 64),
	}
	for name, text := range map[string]string{"task.sh": taskScript, "commit.sh": commitScript} {
		var b bytes.Buffer
		if err := template.Must(template.New(name).Parse(text)).Execute(&b, values); err != nil {
			return err
		}
		files[name] = b.Bytes()
	}
	for name, data := range files {
		if _, err := dataset.WriteFile(dataset.Dir(o.Output), WorkDir+"/"+name, data); err != nil {
			return err
		}
	}
	return os.Chmod(o.work(program), 0o755)
}

func taskList(tasks []build.Task) []byte {
	var b bytes.Buffer
	for _, t := range tasks {
		b.WriteString(build.FormatSplits(t.Splits) + "\n")
	}
	return b.Bytes()
}

// quote makes one word of a shell, whatever is in it.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// globQuote makes a path mean itself in a pattern.
func globQuote(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(s)
}

// sbatch submits a script in the work folder, and returns the job's number. The user's arguments
// come last, and win.
func (o *Options) sbatch(ctx context.Context, script string, args ...string) (string, error) {
	args = append([]string{"--parsable", "--chdir=" + o.work(""), "--open-mode=append"}, args...)
	args = append(append(args, o.Args...), o.work(script))
	out, err := call(ctx, "sbatch", args...)
	if err != nil {
		return "", err
	}
	id, _, _ := strings.Cut(strings.TrimSpace(out), ";") // behind it stands the cluster
	if _, err := strconv.Atoi(id); err != nil {
		return "", fmt.Errorf("engine slurm: sbatch answered %.200q, which is no job number", out)
	}
	return id, nil
}

// call runs a program of Slurm and returns what it prints.
func call(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", problem("see that Slurm runs (`sinfo`), and that --engine-args are right for it",
			"engine slurm: %s: %w: %s", name, err, strings.Join(tail(errs.String()), "; "))
	}
	return out.String(), nil
}
