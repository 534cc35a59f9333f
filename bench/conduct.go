package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// A cell is one engine under one workload: its rounds, in order.
type cell struct {
	Engine string
	Rounds []result
}

// A row is one workload.
type row struct {
	Workload workload
	Cells    []cell // in the order of the engines
}

// An outcome is a section with what was measured.
type outcome struct {
	Section section
	Rows    []row
	Files   map[string]files // by engine
}

// peerCommand is the first argument of a program that is to be a peer.
const peerCommand = "peer"

// A process is a peer at work in a process of its own: its memory, its collections of garbage
// and its files are not another's.
type process struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	send *json.Encoder
	from *json.Decoder
}

func launch(ctx context.Context, k kind, s section, dir string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{name: k.name, cmd: exec.CommandContext(ctx, self, peerCommand)}
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	p.send, p.from = json.NewEncoder(p.in), json.NewDecoder(out)
	_, err = p.ask(order{Do: "start", Kind: k.name, Section: s, Dir: filepath.Join(dir, k.name)})
	return p, err
}

func (p *process) ask(o order) (a answer, err error) {
	if err = p.send.Encode(o); err == nil {
		err = p.from.Decode(&a)
	}
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	if err != nil {
		err = fmt.Errorf("%s, %s %s: %w", p.name, o.Do, o.Workload.Name, err)
	}
	return a, err
}

func (p *process) end() error { return errors.Join(p.in.Close(), p.cmd.Wait()) }

// A conductor drives the peers of one section.
type conductor struct {
	rounds int
	say    func(format string, a ...any)
	peers  []*process
}

// conduct measures a section. Every process stays from the first workload to the last; only one
// works at a time, and it is at rest before the next begins.
func conduct(ctx context.Context, s section, kinds []kind, chosen []workload, rounds int, dir string, say func(string, ...any)) (o outcome, err error) {
	c := &conductor{rounds: rounds, say: say}
	o = outcome{Section: s, Files: map[string]files{}}
	if dir, err = os.MkdirTemp(dir, "sealkv-bench-"); err != nil {
		return o, err
	}
	defer func() {
		for _, p := range c.peers {
			err = errors.Join(err, p.end())
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	for _, k := range kinds {
		if k.short && s.Values == realValues {
			continue
		}
		p, err := launch(ctx, k, s, dir)
		if err != nil {
			return o, err
		}
		c.peers = append(c.peers, p)
	}
	d, err := s.dataset()
	if err != nil {
		return o, err
	}
	if o.Rows, err = c.measure(d, chosen); err != nil {
		return o, err
	}
	return o, c.conclude(o.Files)
}

func (c *conductor) measure(d dataset, chosen []workload) (rows []row, err error) {
	load, err := c.row(loading(d), "load", 0, (c.rounds+1)/2)
	if err != nil {
		return nil, err
	}
	rows = append(rows, load)
	// Reads begin on compacted stores: the shape that a load happens to leave an LSM tree in differs
	// more from load to load than engines do.
	for _, p := range c.peers {
		c.say("compacting %s", p.name)
		if _, err := p.ask(order{Do: "compact"}); err != nil {
			return nil, err
		}
	}
	first := -1
	if c.rounds == 1 {
		first = 0 // whoever wants one round does not want to measure
	}
	for _, w := range chosen {
		if w.inserts() && !d.grows() {
			continue
		}
		r, err := c.row(w, "run", first, c.rounds)
		if err != nil {
			return nil, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// row measures one workload: round by round all engines, every other round in reverse order, so
// that what changes on the machine with time changes for all. Rounds below 0 are warm-ups, of
// fewer operations, and are not kept.
func (c *conductor) row(w workload, do string, first, rounds int) (row, error) {
	r := row{Workload: w}
	for _, p := range c.peers {
		r.Cells = append(r.Cells, cell{Engine: p.name})
	}
	for round := first; round < rounds; round++ {
		c.say("%s, round %d of %d", w.Name, round+1, rounds)
		order := order{Do: do, Workload: w, Round: round + 1}
		if round < 0 {
			order.Workload.Ops = max(w.Ops/4, w.Workers)
		}
		for _, i := range turns(len(c.peers), round) {
			a, err := c.peers[i].ask(order)
			if err != nil {
				return r, err
			}
			if round >= 0 {
				r.Cells[i].Rounds = append(r.Cells[i].Rounds, a.Result)
			}
		}
	}
	return r, nil
}

// turns is the order of n engines in a round.
func turns(n, round int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	if round%2 != 0 {
		slices.Reverse(order)
	}
	return order
}

// conclude verifies every engine and looks at its files.
func (c *conductor) conclude(sizes map[string]files) error {
	for _, p := range c.peers {
		c.say("verifying %s", p.name)
		if _, err := p.ask(order{Do: "verify"}); err != nil {
			return err
		}
		a, err := p.ask(order{Do: "finish"})
		if err != nil {
			return err
		}
		sizes[p.name] = a.Files
	}
	return nil
}

// only returns the kinds that can be had, and why the others cannot.
func only(names []string) (had []kind, absent map[string]string, err error) {
	absent = map[string]string{}
	for _, k := range kinds() {
		switch {
		case len(names) > 0 && !slices.Contains(names, k.name):
		case k.absent != "":
			absent[k.name] = k.absent
		default:
			had = append(had, k)
		}
	}
	for _, name := range names {
		if _, found := find(name); !found {
			return nil, nil, fmt.Errorf("%q is no engine", name)
		}
	}
	if len(had) == 0 {
		return nil, nil, errors.New("no engine is left to measure")
	}
	return had, absent, nil
}
