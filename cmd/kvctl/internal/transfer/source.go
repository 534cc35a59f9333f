package transfer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// contentsDir is the folder of attachments' contents, and what every contentFile begins with.
const contentsDir = "attachments"

// A source is one file of JSON lines.
type source struct {
	name   string // as errors give it
	open   func() (io.ReadCloser, error)
	folder *folder // that it lies in; nil for a file alone
}

// A folder is a folder whose attachments belong to its lines. Reading goes through root, which
// nothing leads out of.
type folder struct {
	name     string
	root     *os.Root
	inside   string           // what a contentFile's path in root lacks: "attachments" in a folder of that name
	contents map[string]*file // by contentFile
}

// A file is one attachment's contents.
type file struct {
	path  string // beneath the folder
	size  int64
	named bool // by a row of metadata
	// hidden says that a name in it begins with a dot: such a file counts only where a row names it.
	hidden bool
}

// A plan is everything that the paths of an import lead to.
type plan struct {
	sources []source
	folders []*folder
	ignored []string
	total   int64 // bytes of all files; 0 if a stream is among them
	// lines is the part of total without attachments.
	lines int64
}

func (p *plan) close() {
	for _, f := range p.folders {
		f.root.Close()
	}
}

// survey looks at paths. The caller closes the plan, also after an error.
func survey(paths []string, stdin io.Reader) (*plan, error) {
	p := &plan{}
	var stream bool
	for _, name := range paths {
		if name == "-" {
			if stdin == nil || stream {
				return p, errors.New("transfer: standard input can be read once")
			}
			stream = true
			p.sources = append(p.sources, source{name: "stdin", open: func() (io.ReadCloser, error) { return io.NopCloser(stdin), nil }})
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return p, err
		}
		if info.IsDir() {
			err = p.addFolder(name)
		} else {
			p.sources = append(p.sources, source{name: name, open: func() (io.ReadCloser, error) { return os.Open(name) }})
			stream = stream || !info.Mode().IsRegular()
			p.total, p.lines = p.total+info.Size(), p.lines+info.Size()
		}
		if err != nil {
			return p, err
		}
	}
	if stream {
		p.total, p.lines = 0, 0
	}
	return p, nil
}

func (p *plan) addFolder(name string) error {
	root, err := os.OpenRoot(name)
	if err != nil {
		return err
	}
	f := &folder{name: name, root: root, contents: map[string]*file{}}
	p.folders = append(p.folders, f)
	if abs, err := filepath.Abs(name); err == nil && filepath.Base(abs) == contentsDir {
		f.inside = contentsDir
	}
	return fs.WalkDir(root.FS(), ".", func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return p.visit(f, at, d)
	})
}

func (p *plan) visit(f *folder, at string, d fs.DirEntry) error {
	if at == "." {
		return nil
	}
	contentFile := path.Join(f.inside, at)
	inContents := strings.HasPrefix(contentFile, contentsDir+"/") && strings.Count(contentFile, "/") >= 2
	hidden := strings.HasPrefix(d.Name(), ".")
	if d.IsDir() {
		if hidden && !inContents {
			p.ignored = append(p.ignored, f.display(at))
			return fs.SkipDir
		}
		return nil
	}
	if !inContents && (hidden || !isLines(at)) {
		p.ignored = append(p.ignored, f.display(at))
		return nil
	}
	info, err := f.root.Stat(at)
	switch {
	case err != nil: // a link that leads out of the folder, too
		return fmt.Errorf("%s: %w", f.display(at), unwrapPath(err))
	case !info.Mode().IsRegular():
		p.ignored = append(p.ignored, f.display(at))
		return nil
	case inContents:
		f.contents[contentFile] = &file{path: at, size: info.Size(), hidden: strings.Contains(contentFile, "/.")}
	default:
		p.lines += info.Size()
		p.sources = append(p.sources, source{
			name: f.display(at), folder: f,
			open: func() (io.ReadCloser, error) { return f.root.Open(at) },
		})
	}
	p.total += info.Size()
	return nil
}

// display names a file beneath the folder for people.
func (f *folder) display(at string) string { return filepath.Join(f.name, filepath.FromSlash(at)) }

// unnamed are the attachments that no row named, in order, and those of them that do not count.
func (f *folder) unnamed() (names, hidden []string) {
	for contentFile, file := range f.contents {
		switch {
		case file.named:
		case file.hidden:
			hidden = append(hidden, f.display(file.path))
		default:
			names = append(names, contentFile)
		}
	}
	slices.Sort(names)
	slices.Sort(hidden)
	return names, hidden
}

// unwrapPath takes the path off a file system's error, where the caller names it better.
func unwrapPath(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
