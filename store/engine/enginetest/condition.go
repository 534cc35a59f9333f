package enginetest

import (
	"github.com/sealkv/sealkv/store/engine"
)

func testConditions(r rig) {
	absent := func(key string) func(engine.Batch) {
		return func(b engine.Batch) { b.IfAbsent([]byte(key)) }
	}
	equals := func(key, value string) func(engine.Batch) {
		return func(b engine.Batch) { b.IfEquals([]byte(key), []byte(value)) }
	}
	for _, test := range []struct {
		name string
		ask  func(engine.Batch)
		want error
	}{
		{"absent", absent("none"), nil},
		{"absent but there", absent("k"), engine.ErrConflict},
		{"equal", equals("k", "value"), nil},
		{"equal but absent", equals("none", "value"), engine.ErrConflict},
		{"other value", equals("k", "valuf"), engine.ErrConflict},
		{"prefix", equals("k", "valu"), engine.ErrConflict},
		{"longer", equals("k", "value1"), engine.ErrConflict},
		{"absent after a deletion", absent("deleted"), nil},
		{"absent after a range deletion", absent("range"), nil},
	} {
		r.set("k=value", "deleted=1", "range=1", "w=old")
		r.do(func(b engine.Batch) { b.Delete([]byte("deleted")) })
		r.do(func(b engine.Batch) { b.DeleteRange([]byte("r"), []byte("s")) })
		err := r.try(func(b engine.Batch) {
			b.Set([]byte("w"), []byte("new"))
			test.ask(b)
			b.Set([]byte("k"), []byte("changed")) // conditions see the state before the batch
			b.Set([]byte("none2"), []byte("1"))
		})
		if r.want(test.want, err); err == nil {
			r.wantValue(r, "w", "new")
			r.wantValue(r, "k", "changed")
		} else {
			r.wantPage(r, "a", "z", "k=value w=old")
		}
		r.do(func(b engine.Batch) { b.DeleteRange([]byte("a"), []byte("z")) })
	}
}

// testConditionsAreAll: one that does not hold is enough, wherever it stands.
func testConditionsAreAll(r rig) {
	r.set("a=1", "b=2", "c=3")
	for _, wrong := range []int{-1, 0, 1, 2} {
		err := r.try(func(b engine.Batch) {
			for i, key := range []string{"a", "b", "c"} {
				value := string('1' + byte(i))
				if i == wrong {
					value = "9"
				}
				b.IfEquals([]byte(key), []byte(value))
			}
			b.IfAbsent([]byte("d"))
			b.IfAbsent([]byte("d"))
		})
		if wrong >= 0 {
			r.want(engine.ErrConflict, err)
		} else {
			r.want(nil, err) // and a batch without operations is one too
		}
	}
	r.want(engine.ErrConflict, r.try(func(b engine.Batch) {
		b.IfEquals([]byte("a"), []byte("1"))
		b.IfAbsent([]byte("a"))
	}))
	r.want(engine.ErrConflict, r.try(func(b engine.Batch) {
		b.IfAbsent([]byte("a"))
		b.DeleteRange([]byte("a"), []byte("z"))
	}))
	r.wantPage(r, "a", "z", "a=1 b=2 c=3")
}
