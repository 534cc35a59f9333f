package scope

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// A field is one `name: value` of a mapping.
type field struct {
	name  string // empty also for what is no text
	line  int    // of the name
	value *yaml.Node
}

// Tags that the library gives to what is written without one.
const (
	nullTag  = "!!null"  // nothing, ~ or null
	mergeTag = "!!merge" // <<
)

// fieldsOf returns the fields of a mapping in the order of the file, repeated ones too.
func fieldsOf(mapping *yaml.Node) []field {
	var fields []field
	for i := 0; i < len(mapping.Content); i += 2 {
		name, value := mapping.Content[i], mapping.Content[i+1]
		fields = append(fields, field{name.Value, name.Line, value})
	}
	return fields
}

// empty reports whether the field has no value, or one without content.
func (f field) empty() bool { return f.text() == "" && len(f.value.Content) == 0 }

// isText reports whether the value is one text, and no list or mapping.
func (f field) isText() bool { return f.value.Kind == yaml.ScalarNode }

// text returns a value as it is written, without quotes, whatever else YAML takes it for: 1.0, no
// and 2027-03-31 are text. It is empty for null. The line breaks that end a block are no part of it.
func (f field) text() string {
	const block = yaml.LiteralStyle | yaml.FoldedStyle
	switch {
	case !f.isText() || f.value.Tag == nullTag:
		return ""
	case f.value.Style&block != 0:
		return strings.TrimRight(f.value.Value, "\n")
	}
	return f.value.Value
}

const aliasRefused = "aliases (*) are not for policies; write the value out, or quote it"

// refusal says why a policy does without a node, with the way out. It is empty for most nodes.
func refusal(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.AliasNode:
		return aliasRefused
	case n.Anchor != "":
		return "anchors (&) are not for policies; write the value without, or quote it"
	case n.Style&yaml.TaggedStyle != 0 || n.Tag == "!":
		return "tags (!) are not for policies; every value is text, quote it if it begins with !"
	case n.Tag == mergeTag:
		return "merge keys (<<) are not for policies; write the fields out"
	}
	return ""
}
