package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// markdown is the report for people.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# sealkv beside its peers\n\n`%s`, %s, on %s.\n\n", r.Command, r.Date, r.Machine)
	fmt.Fprintf(&b, "Ratios are against *%s* in the same run: 1.00 is as fast, lower is better. Each is the median of %d rounds;\n", baseline, r.Rounds)
	b.WriteString("in brackets the least and the largest where they are more than a tenth apart from it.\n\n")
	table(&b, []string{"engine", "what it is"}, func(add func(...string)) {
		for _, e := range r.Engines {
			add(e.Name, e.About)
		}
	})
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		fmt.Fprintf(&b, "- %s %s\n", name, r.Versions[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Absent)) {
		fmt.Fprintf(&b, "- left out: %s: %s\n", name, r.Absent[name])
	}
	for _, o := range r.Outcomes {
		o.markdown(&b, r.Engines)
	}
	return b.String()
}

func (o outcome) markdown(b *strings.Builder, engines []engineInfo) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n", o.Section.Name, o.Section.about())
	fmt.Fprintf(b, "![p50 against %s](%s)\n", baseline, o.plotName())
	b.WriteString("\n### p50 of an operation, ratio\n\n")
	o.ratios(b, engines, p50)
	b.WriteString("\n### Mean of an operation, ratio\n\nFor mixed workloads, where the median is one kind of operation or the other.\n\n")
	o.ratios(b, engines, meanTime)
	b.WriteString("\n### On disk\n\nBytes for each byte of keys and values, after one more opening and closing.\n\n")
	o.disk(b, engines)
	b.WriteString("\n### Everything\n\nCPU includes what an operation caused in the background; peak is resident memory with mapped files;\n")
	b.WriteString("written is bytes that the process made the system write for each byte put.\n\n")
	o.details(b)
}

func (s section) about() string {
	if s.Values == realValues {
		return fmt.Sprintf("Real records with their sizes and tenants, %s of memory.", bytesText(float64(s.Cache)))
	}
	return fmt.Sprintf("%d records of %d bytes, %s, %s of memory.", s.Records, s.Bytes, s.Values, bytesText(float64(s.Cache)))
}

func (o outcome) ratios(b *strings.Builder, engines []engineInfo, time func(result) float64) {
	head := []string{""}
	for _, e := range engines {
		head = append(head, e.Name)
	}
	table(b, head, func(add func(...string)) {
		for _, r := range o.Rows {
			line := []string{r.Workload.About}
			for _, e := range engines {
				line = append(line, r.ratio(e.Name, time).String())
			}
			add(line...)
		}
	})
}

func (r ratio) String() string {
	switch {
	case r.median == 0:
		return "–"
	case r.least > 0.9*r.median && r.most < 1.1*r.median:
		return fmt.Sprintf("%.2f", r.median)
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", r.median, r.least, r.most)
}

func (o outcome) disk(b *strings.Builder, engines []engineInfo) {
	table(b, []string{"", "as it was", "compacted", "compacted, bytes"}, func(add func(...string)) {
		for _, e := range engines {
			if f, found := o.Files[e.Name]; found {
				user := float64(f.UserBytes)
				add(e.Name, fmt.Sprintf("%.2f", float64(f.Bytes)/user), fmt.Sprintf("%.2f", float64(f.CompactedBytes)/user),
					bytesText(float64(f.CompactedBytes)))
			}
		}
	})
}

func (o outcome) details(b *strings.Builder) {
	head := []string{"workload", "engine", "p50", "p99", "mean", "operations/s", "CPU", "allocations", "peak", "written"}
	table(b, head, func(add func(...string)) {
		for _, r := range o.Rows {
			name := r.Workload.Name
			for _, c := range r.Cells {
				s := c.summary()
				written := "–"
				if s.amplification > 0 {
					written = fmt.Sprintf("%.2f", s.amplification)
				}
				add(name, c.Engine, timeText(s.p50), timeText(s.p99), timeText(s.mean), fmt.Sprintf("%.0f", s.throughput),
					timeText(s.cpu), fmt.Sprintf("%.1f", s.allocs), bytesText(float64(s.peak)), written)
				name = ""
			}
		}
	})
}

// table writes a Markdown table; all columns but the first are numbers.
func table(b *strings.Builder, head []string, rows func(add func(...string))) {
	add := func(cells ...string) { fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | ")) }
	add(head...)
	b.WriteString("|---|" + strings.Repeat("--:|", len(head)-1) + "\n")
	rows(add)
}

func timeText(nanoseconds float64) string {
	d := time.Duration(nanoseconds)
	switch {
	case d < 10*time.Microsecond:
		return d.String()
	case d < 10*time.Millisecond:
		return d.Round(100 * time.Nanosecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

func bytesText(n float64) string {
	for _, unit := range []string{"B", "KiB", "MiB"} {
		if n < 1024 {
			return fmt.Sprintf("%.3g %s", n, unit)
		}
		n /= 1024
	}
	return fmt.Sprintf("%.3g GiB", n)
}
