package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/sealkv/sealkv/keys/root"
)

// passphrases answers for protected key files: from the file that --passphrase-file names, which
// holds one passphrase for all of them, else from the terminal. A passphrase is never an argument
// or the value of an environment variable, where other processes see it.
type passphrases struct {
	file string

	mu    sync.Mutex
	known map[string]string // by path of the key file; "" for all
	asked sync.Mutex        // held while a person is
}

// ask is a keyfile.PassphraseFunc. It asks a person once for each file.
func (p *passphrases) ask(ctx context.Context, path string) (string, error) {
	return p.get(path, func() (string, error) { return prompt(ctx, "Passphrase of "+path+": ") })
}

// choose asks for the passphrase of a key file that is to be made, twice.
func (p *passphrases) choose(ctx context.Context, path string) (string, error) {
	return p.get(path, func() (string, error) {
		first, err := prompt(ctx, "New passphrase for "+path+": ")
		if err != nil {
			return "", err
		}
		if first == "" {
			return "", fmt.Errorf("an empty passphrase protects nothing: %w", root.ErrInvalid)
		}
		second, err := prompt(ctx, "Again: ")
		if err == nil && first != second {
			err = fmt.Errorf("the two passphrases differ: %w", root.ErrInvalid)
		}
		return first, err
	})
}

func (p *passphrases) get(path string, fromTerminal func() (string, error)) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	read := fromTerminal
	if p.file != "" {
		path, read = "", func() (string, error) { return readPassphrase(p.file) }
	}
	if known, found := p.known[path]; found {
		return known, nil
	}
	p.asked.Lock()
	defer p.asked.Unlock()
	got, err := read()
	if err != nil {
		return "", err
	}
	if p.known == nil {
		p.known = map[string]string{}
	}
	p.known[path] = got
	return got, nil
}

const maxPassphrase = 1024 // bytes

// readPassphrase reads a passphrase from a file, or from a pipe such as /dev/fd/3. Its errors do
// not repeat the name: who gives the passphrase itself instead must not find it in a log.
func readPassphrase(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		var cause *fs.PathError
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return "", withHint(fmt.Errorf("the file that --passphrase-file or KVCTL_PASSPHRASE_FILE names: %w", err),
			"it takes the name of a file that holds the passphrase, never the passphrase")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return "", withHint(fmt.Errorf("the passphrase's file is open to others (mode %04o): %w", info.Mode().Perm(), root.ErrInvalid),
			"chmod 600 it")
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxPassphrase+1))
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	if text == "" || len(raw) > maxPassphrase || strings.Contains(text, "\n") {
		return "", fmt.Errorf("the passphrase's file must hold one line of 1 to %d bytes: %w", maxPassphrase, root.ErrInvalid)
	}
	return text, nil
}

// prompt asks on the terminal, which need not be where standard input comes from.
func prompt(ctx context.Context, question string) (string, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return "", errPassphrase
	}
	defer tty.Close()
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", errPassphrase
	}
	fmt.Fprint(tty, question)
	defer fmt.Fprintln(tty)
	type answer struct {
		text []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		return string(a.text), a.err
	case <-ctx.Done(): // interrupted: the terminal must echo again
		term.Restore(fd, before)
		return "", ctx.Err()
	}
}
