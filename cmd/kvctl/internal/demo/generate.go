package demo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sealkv/sealkv/cmd/kvctl/internal/transfer"
)

// generate makes a folder up that Import reads: three tenants of an issue tracker and a wiki. It
// is the same each time.
func generate(dir string) error {
	g := &generator{
		dir: dir, rand: rand.New(rand.NewPCG(2026, 11)),
		now:   time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		lines: map[string]*bytes.Buffer{},
	}
	for _, c := range companies {
		if err := g.company(c); err != nil {
			return err
		}
	}
	for name, lines := range g.lines {
		if err := g.file(name+".jsonl", lines.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

type generator struct {
	dir   string
	rand  *rand.Rand
	now   time.Time
	lines map[string]*bytes.Buffer // by namespace
}

type object = map[string]any

func (g *generator) company(c company) error {
	for _, p := range c.people {
		g.put(c.id, "jira/user-accounts", "user/"+login(p), object{"name": login(p), "displayName": p, "active": true})
	}
	g.put(c.id, "jira/project-configuration", "project/"+c.project, object{
		"key": c.project, "name": c.name, "workflow": []string{"Open", "In Progress", "In Review", "Done"},
		"components": components,
	})
	for sprint := range c.issues / 20 {
		id := fmt.Sprint(sprint + 1)
		g.put(c.id, "jira/boards-and-sprints", "sprint/"+id, object{"id": id, "name": c.project + " sprint " + id, "state": "closed"})
	}
	for i := range c.issues {
		if err := g.issue(c, fmt.Sprintf("%s-%d", c.project, i+1), i); err != nil {
			return err
		}
	}
	for i, title := range pages[:c.pages] {
		g.page(c, i, title)
	}
	return nil
}

func (g *generator) issue(c company, key string, i int) error {
	component, author := g.pick(components), g.pick(c.people)
	title := fmt.Sprintf(g.pick(titles), component)
	g.put(c.id, "jira/issues", key, object{
		"key": key, "summary": title, "description": g.text(2, 6), "type": g.pick(types), "status": g.pick(statuses),
		"reporter": login(author), "assignee": login(g.pick(c.people)), "components": []string{component}, "created": g.time(),
	})
	g.put(c.id, "jira/search-data", "fragment/"+key, object{"url": "/browse/" + key, "content": title + ". " + g.text(1, 3)})
	for n := range g.rand.IntN(5) {
		id := fmt.Sprintf("%d", 10_000+10*i+n)
		g.put(c.id, "jira/comments", key+"/comment/"+id, object{"id": id, "issueKey": key, "author": login(g.pick(c.people)), "body": g.text(1, 4), "created": g.time()})
	}
	if i%4 == 0 {
		sum := fmt.Sprintf("%08x", g.rand.Uint32())
		g.put(c.id, "jira/devops", "commit/"+sum, object{"sha": sum, "message": key + ": " + title, "author": login(author), "committed": g.time()})
	}
	if i%8 == 3 {
		return g.attachment(c, key, i)
	}
	return nil
}

// attachment adds a file and the row of metadata that describes it.
func (g *generator) attachment(c company, issue string, i int) error {
	name, media, contents := "screenshot.png", "image/png", g.screenshot()
	switch i / 8 % 3 {
	case 1:
		name, media, contents = "server.log", "text/plain", g.log(60)
	case 2:
		name, media, contents = "trace.log", "text/plain", g.log(6000) // long enough for chunks
	}
	id := fmt.Sprint(50_000 + i)
	path := "attachments/" + c.id + "/" + issue + "__" + id + "__" + name
	sum := sha256.Sum256(contents)
	g.put(c.id, "jira/attachment-metadata", issue+"/attachment/"+id, object{
		"id": id, "filename": name, "mimeType": media, "size": len(contents), "issueKey": issue, "created": g.time(),
		"sha256": hex.EncodeToString(sum[:]), "contentFile": path,
	})
	return g.file(path, contents)
}

func (g *generator) page(c company, i int, title string) {
	id := fmt.Sprint(700 + i)
	g.put(c.id, "confluence/pages", "page/"+id, object{"id": id, "title": title, "body": "# " + title + "\n\n" + g.text(8, 20)})
	g.put(c.id, "confluence/page-metadata", "page/"+id, object{"id": id, "title": title, "author": login(g.pick(c.people)), "version": 1 + g.rand.IntN(20), "updated": g.time()})
	for n := range g.rand.IntN(3) {
		g.put(c.id, "confluence/comments", fmt.Sprintf("page/%s/comment/%d", id, n+1), object{"page": id, "author": login(g.pick(c.people)), "body": g.text(1, 2)})
	}
}

// put adds a line.
func (g *generator) put(tenant, namespace, key string, value object) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // of a map of our own
	}
	product, typ, _ := strings.Cut(namespace, "/")
	lines := g.lines[namespace]
	if lines == nil {
		lines = &bytes.Buffer{}
		g.lines[namespace] = lines
	}
	r := transfer.Record{Tenant: tenant, Product: product, Type: typ, Key: []byte(key), Value: text}
	lines.Write(r.Append(nil))
}

func (g *generator) file(name string, contents []byte) error {
	path := filepath.Join(g.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, contents, 0o600)
}

func (g *generator) pick(from []string) string { return from[g.rand.IntN(len(from))] }

// text is so many sentences.
func (g *generator) text(least, most int) string {
	var out []string
	for range least + g.rand.IntN(most-least+1) {
		out = append(out, fmt.Sprintf(g.pick(sentences), g.pick(components)))
	}
	return strings.Join(out, " ")
}

// time is a little later each time.
func (g *generator) time() string {
	g.now = g.now.Add(time.Duration(g.rand.IntN(5400)) * time.Second)
	return g.now.Format(time.RFC3339)
}

func (g *generator) log(lines int) []byte {
	var b bytes.Buffer
	for range lines {
		fmt.Fprintf(&b, "%s %-5s [%s] "+g.pick(events)+"\n", g.time(), g.pick(levels), g.pick(components), g.rand.IntN(5000))
	}
	return b.Bytes()
}

func (g *generator) screenshot() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 96, 64))
	tint := uint8(g.rand.IntN(256))
	for y := range 64 {
		for x := range 96 {
			img.Set(x, y, color.RGBA{uint8(x*2 + g.rand.IntN(8)), uint8(y * 3), tint, 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // of an image of our own, into memory
	}
	return b.Bytes()
}

func login(name string) string { return strings.ToLower(strings.Fields(name)[0]) }
