package codec_test

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// The files in testdata write a record as lines of "path: value", a path being the names of
// fields and the indexes of slices with dots between them, such as Recipients.0.Number. What is
// zero or empty is left out.

// setFields sets what lines say in the struct that record points to.
func setFields(record any, lines string) error {
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		path, value, found := strings.Cut(line, ":")
		if !found {
			return fmt.Errorf("no value in %q", line)
		}
		field, err := fieldAt(reflect.ValueOf(record).Elem(), strings.Split(path, "."))
		if err == nil {
			err = setField(field, strings.TrimSpace(value))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func fieldAt(v reflect.Value, path []string) (reflect.Value, error) {
	for _, name := range path {
		if v.Kind() == reflect.Struct {
			if v = v.FieldByName(name); !v.IsValid() {
				return v, fmt.Errorf("no field %s", name)
			}
			continue
		}
		i, err := strconv.Atoi(name)
		if err != nil || v.Kind() != reflect.Slice {
			return v, fmt.Errorf("%s is no index", name)
		}
		for v.Len() <= i {
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		}
		v = v.Index(i)
	}
	return v, nil
}

func setField(v reflect.Value, value string) error {
	switch v.Kind() {
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(value, 0, v.Type().Bits())
		v.SetUint(n)
		return err
	case reflect.Bool:
		b, err := strconv.ParseBool(value)
		v.SetBool(b)
		return err
	case reflect.String:
		v.SetString(value)
		return nil
	}
	b, err := parseNotation(value)
	switch {
	case err != nil:
		return err
	case v.Kind() == reflect.Slice:
		v.SetBytes(b)
	case v.Len() != len(b):
		return fmt.Errorf("%d bytes, not %d", v.Len(), len(b))
	default:
		reflect.Copy(v, reflect.ValueOf(b))
	}
	return nil
}

// printFields writes the struct that record points to as setFields reads it.
func printFields(record any) string {
	var out strings.Builder
	printField(&out, "", reflect.ValueOf(record).Elem())
	return out.String()
}

func printField(out *strings.Builder, path string, v reflect.Value) {
	if v.IsZero() {
		return
	}
	kind := v.Kind()
	switch {
	case kind == reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				printField(out, join(path, f.Name), v.Field(i))
			}
		}
	case kind == reflect.Array:
		b := make([]byte, v.Len())
		reflect.Copy(reflect.ValueOf(b), v)
		fmt.Fprintf(out, "%s: %s\n", path, notation(b))
	case kind == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8:
		if v.Len() > 0 {
			fmt.Fprintf(out, "%s: %s\n", path, notation(v.Bytes()))
		}
	case kind == reflect.Slice:
		for i := range v.Len() {
			printField(out, join(path, strconv.Itoa(i)), v.Index(i))
		}
	case v.CanUint():
		fmt.Fprintf(out, "%s: %d\n", path, v.Uint())
	default:
		fmt.Fprintf(out, "%s: %v\n", path, v.Interface())
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
