package scope

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// format is the one that this release reads; see the package comment.
const format = "1"

// A form is what a mapping in a policy may hold.
type form struct {
	fields  []string
	missing map[string]string // by the names of required fields, what to say without them
}

var policyForm = form{
	fields: []string{"format", "version", "name", "suite", "compression", "rules"},
	missing: map[string]string{
		"version": "no version; add version: 1, and raise it with each change",
		"name":    "no name; add one that all versions of this policy share",
		"rules":   "no rules; without them every namespace is refused",
	},
}

var ruleForm = form{
	fields: []string{"namespace", "domain", "until", "max-age", "rotate-every", "max-seals", "suite", "compression", "note"},
	missing: map[string]string{
		"namespace": "a rule without namespace; add one, such as namespace: jira/comments",
		"domain":    "a rule without domain; add tenant, platform or both",
	},
}

// A decoder turns nodes into a policy and collects every problem on the way. What it returns while
// it has problems is not to be used.
type decoder struct {
	problems
}

func (d *decoder) policy(root *yaml.Node) *Policy {
	p := &Policy{suite: XChaCha20Poly1305, compression: NoCompression}
	d.refuse(root)
	if len(d.problems) > 0 {
		return p // for what is refused might stand for anything
	}
	if root.Kind != yaml.MappingNode && root.Tag != nullTag {
		d.add(root.Line, "not the fields of a policy; begin with version: 1")
		return p
	}
	fields := fieldsOf(root)
	if !d.known(fields) {
		return p
	}
	for _, f := range d.check(fields, policyForm, 1) {
		switch f.name {
		case "version":
			p.version = decodeField(d, f, parseVersion)
		case "name":
			p.name = decodeField(d, f, parseName)
		case "suite":
			p.suite = decodeField(d, f, parseSuite)
		case "compression":
			p.compression = decodeField(d, f, parseCompression)
		case "rules":
			p.rules, p.index = d.rules(f)
		}
	}
	for i := range p.rules { // only now, for the fields may be in any order
		d.inherit(&p.rules[i], p)
	}
	return p
}

// inherit gives a rule what it leaves to the policy.
func (d *decoder) inherit(rule *Rule, p *Policy) {
	if rule.Suite == 0 {
		rule.Suite = p.suite
	}
	if rule.Compression != 0 {
		return
	}
	if rule.Compression = p.compression; rule.Compression == ZstdDict && rule.MaxAge != 0 {
		d.add(rule.Line, "%s has a max-age, and the policy's compression zstd-dict would keep parts of its values for longer; add compression: zstd, or none", rule.Namespace)
	}
}

// refuse reports the parts of YAML that a policy does without. It follows no alias.
func (d *decoder) refuse(n *yaml.Node) {
	if why := refusal(n); why != "" {
		d.add(n.Line, "%s", why)
	}
	for _, child := range n.Content {
		d.refuse(child)
	}
}

// known reports whether this release reads the format that the file names. Where it does not,
// that is the only problem: what else looks wrong may be right in the other format.
func (d *decoder) known(fields []field) bool {
	for _, f := range fields {
		if f.name == "format" && !f.empty() && f.text() != format {
			d.add(f.line, "format %.64q is unknown to this release, which reads format %s; use a newer release", f.text(), format)
			return false
		}
	}
	return true
}

// check returns the fields that are worth decoding: known in that form, the first of their name,
// with a value. It reports all others, and those that are missing from the mapping at line.
func (d *decoder) check(fields []field, want form, line int) []field {
	var good []field
	firstLine := map[string]int{}
	for _, f := range fields {
		first, repeated := firstLine[f.name]
		switch {
		case !slices.Contains(want.fields, f.name):
			d.add(f.line, "unknown field %.64q; %s", f.name, hint(f.name, want.fields))
			continue
		case repeated:
			d.add(f.line, "%s appears twice (first on line %d); remove one", f.name, first)
			continue
		case f.empty():
			d.add(f.line, "%s has no value; write one, or remove the line", f.name)
		default:
			good = append(good, f)
		}
		firstLine[f.name] = f.line
	}
	for _, name := range want.fields {
		if text, required := want.missing[name]; required && firstLine[name] == 0 {
			d.add(line, "%s", text)
		}
	}
	return good
}

// hint says what to write instead of a name.
func hint(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return "the fields here are " + strings.Join(known, ", ")
}

// rules decodes the list of rules and indexes it by namespace.
func (d *decoder) rules(f field) (rules []Rule, index map[string]int) {
	if f.value.Kind != yaml.SequenceNode {
		d.add(f.line, "rules want a list; begin each on a line below with - namespace:")
		return nil, nil
	}
	index = map[string]int{}
	for _, row := range f.value.Content {
		rule := d.rule(row)
		if i, repeated := index[rule.Namespace]; repeated && rule.Namespace != "" {
			d.add(rule.Line, "%s appears twice (first on line %d); remove one", rule.Namespace, rules[i].Line)
			continue
		}
		index[rule.Namespace] = len(rules)
		rules = append(rules, rule)
	}
	return rules, index
}

// rule decodes one row of the list of rules.
func (d *decoder) rule(row *yaml.Node) Rule {
	rule, untilLine, compressionLine := Rule{Line: row.Line}, 0, 0
	if row.Kind != yaml.MappingNode {
		d.add(row.Line, "not the fields of a rule; begin it with - namespace:")
		return rule
	}
	for _, f := range d.check(fieldsOf(row), ruleForm, row.Line) {
		switch f.name {
		case "namespace":
			rule.Namespace, rule.Line = decodeField(d, f, parseNamespace), f.line
		case "domain":
			rule.Domain = decodeField(d, f, parseDomain)
		case "until":
			rule.Until, untilLine = decodeField(d, f, parseUntil), f.line
		case "max-age":
			rule.MaxAge = decodeField(d, f, parseAge)
		case "rotate-every":
			rule.RotateEvery = decodeField(d, f, parseAge)
		case "max-seals":
			rule.MaxSeals = decodeField(d, f, parseSeals)
		case "suite":
			rule.Suite = decodeField(d, f, parseSuite)
		case "compression":
			rule.Compression, compressionLine = decodeField(d, f, parseCompression), f.line
		case "note":
			rule.Note = decodeField(d, f, parseNote)
		}
	}
	// Nothing but a transition ends by itself: to leave a single domain takes a new version.
	if !rule.Until.IsZero() && (rule.Domain == Tenant || rule.Domain == Platform) {
		d.add(untilLine, "until belongs to domain both, and this rule says %s; remove until, or change the domain", rule.Domain)
	}
	if rule.Compression == ZstdDict && rule.MaxAge != 0 {
		d.add(compressionLine, "zstd-dict does not go with max-age, for a dictionary keeps parts of values for longer; write zstd, or remove max-age")
	}
	return rule
}

// decodeField returns what parse makes of a field's text and reports its error.
func decodeField[T any](d *decoder, f field, parse func(string) (T, error)) T {
	if !f.isText() {
		var none T
		d.add(f.line, "%s holds a list or fields; write one value", f.name)
		return none
	}
	value, err := parse(f.text())
	if err != nil {
		d.add(f.line, "%s %.64q: %s", f.name, f.text(), err)
	}
	return value
}
