package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-shellwords"
	"github.com/pelletier/go-toml/v2"

	"github.com/longctx/pipeline/cmd/internal/build"
	"github.com/longctx/pipeline/cmd/internal/cli"
	"github.com/longctx/pipeline/cmd/internal/engine"
	"github.com/longctx/pipeline/dataset"
)

const (
	engineLocal = "local"
	engineRay   = "ray"
	engineSlurm = "slurm"
)

// pollSlurm is how often Slurm's queue is asked: as often as squeue's manual finds polite.
const pollSlurm = 5 * time.Second

// A clusterBuild is a build whose splits are done elsewhere.
type clusterBuild struct {
	options build.Options
	engine  engine.Options
	given   cli.Config // as the user gave it, for the tasks
}

// cluster runs a build on an engine, and shows it as any other.
func (r *runner) cluster(name string, given cli.Config, do func(context.Context, clusterBuild) (build.Report, error)) error {
	e, err := r.engineOptions()
	if err != nil {
		return err
	}
	return r.run(func(ctx context.Context, o build.Options) (build.Report, error) {
		e.Progress = o.Progress
		report, err := do(ctx, clusterBuild{o, e, given})
		if errors.Is(err, build.ErrNotThere) {
			err = cli.WithHint(err, "a node has an --output of its own at the same path, or sees this one late: it must be on a file system that all nodes share")
		}
		return report, err
	})
}

func (r *runner) engineOptions() (engine.Options, error) {
	c := r.config.Engine
	words, err := shellwords.Parse(c.Args)
	if err != nil {
		return engine.Options{}, cli.Usage(fmt.Errorf("build: --engine-args %q: %w", c.Args, err))
	}
	if c.TaskCPUs < 1 || c.TaskAttempts < 1 {
		return engine.Options{}, cli.Usage(errors.New("build: --task-cpus and --task-attempts are 1 or more"))
	}
	e := engine.Options{
		Address: c.Address, Args: words, CPUs: c.TaskCPUs, Timeout: time.Duration(c.TaskTimeout), Attempts: c.TaskAttempts, Poll: pollSlurm,
		Notice: func(text string) {
			if !r.quiet && !r.json {
				fmt.Fprintf(r.cmd.ErrOrStderr(), "pipeline: %s\n", text)
			}
		},
	}
	if e.Folder, err = os.Getwd(); err != nil {
		return e, err
	}
	if e.Output, err = filepath.Abs(r.config.Output); err != nil {
		return e, err
	}
	if e.Program, err = os.Executable(); err != nil {
		return e, err
	}
	e.Config = filepath.Join(e.Output, filepath.FromSlash(engine.WorkDir), "pipeline.toml")
	return e, nil
}

// writeConfig tells the tasks what to build.
func (b *clusterBuild) writeConfig() error {
	c := b.given
	c.Output, c.Workers, c.Engine.Name = b.engine.Output, b.engine.CPUs, engineLocal
	data, err := toml.Marshal(c)
	if err != nil {
		return err
	}
	_, err = dataset.WriteFile(b.options.Output, engine.WorkDir+"/pipeline.toml", data)
	return err
}

func (r *runner) cut(most int) build.Cut {
	return build.Cut{TaskBytes: int64(r.config.Engine.TaskSize), MaxTasks: most}
}

func (r *runner) ray(ctx context.Context, b clusterBuild) (build.Report, error) {
	b.options.Patience = 90 * time.Second
	return build.Distribute(ctx, b.options, r.cut(0), func(ctx context.Context, work build.Work) error {
		if err := b.writeConfig(); err != nil {
			return err
		}
		return engine.Ray(ctx, b.engine, work)
	})
}

func (r *runner) slurm(ctx context.Context, b clusterBuild) (build.Report, error) {
	most, err := engine.MaxSlurmTasks(ctx)
	if err != nil {
		return build.Report{}, err
	}
	if job, err := engine.Running(ctx, b.engine); err == nil {
		b.engine.Notice("slurm: this output has " + job.String() + " already")
		return r.follow(ctx, b, job)
	} else if !errors.Is(err, engine.ErrNotRunning) {
		return build.Report{}, err
	}
	work, report, err := build.Outline(ctx, b.options, r.cut(most))
	if err != nil || report.Manifest != nil {
		return report, err
	}
	if err := b.writeConfig(); err != nil {
		return report, err
	}
	job, err := engine.Submit(ctx, b.engine, work)
	if err != nil {
		return report, err
	}
	b.engine.Notice(fmt.Sprintf("slurm: submitted %s: %d tasks", job, len(work.Tasks)))
	return r.follow(ctx, b, job)
}

// attach follows a build that was submitted before.
func (r *runner) attach(ctx context.Context, b clusterBuild) (build.Report, error) {
	job, err := engine.Running(ctx, b.engine)
	if errors.Is(err, engine.ErrNotRunning) && build.Committed(b.options.Output) {
		m, err := dataset.ReadManifest(b.options.Output)
		return build.Report{Manifest: m}, err
	}
	if errors.Is(err, engine.ErrNotRunning) {
		err = cli.WithHint(fmt.Errorf("output %s: %w", r.config.Output, err), "run it without --attach: it goes on with what is done")
	}
	if err != nil {
		return build.Report{}, err
	}
	return r.follow(ctx, b, job)
}

func (r *runner) follow(ctx context.Context, b clusterBuild, job engine.SlurmJob) (build.Report, error) {
	err := engine.Follow(ctx, b.engine, job)
	if errors.Is(err, context.Canceled) {
		err = cli.WithHint(err, fmt.Sprintf("the build goes on: `pipeline build --attach` follows it, `scancel %s %s` stops it", job.Array, job.Commit))
	}
	if err != nil {
		return build.Report{}, err
	}
	m, err := dataset.ReadManifest(b.options.Output)
	return build.Report{Manifest: m}, err
}
