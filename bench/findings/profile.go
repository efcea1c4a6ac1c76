package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
)

// profiled runs a part of the benchmark and keeps, in a folder, where it spent its
// processor time, and on which locks and whom it waited. Without a folder it only runs it.
func profiled(dir, name string, do func() error) (err error) {
	if dir == "" {
		return do()
	}
	cpu, err := os.Create(filepath.Join(dir, name+".cpu"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cpu.Close()) }()
	runtime.SetBlockProfileRate(10_000)
	runtime.SetMutexProfileFraction(10)
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return err
	}
	err = do()
	pprof.StopCPUProfile()
	runtime.SetBlockProfileRate(0)
	runtime.SetMutexProfileFraction(0)
	for _, kind := range []string{"block", "mutex", "allocs"} {
		out, ferr := os.Create(filepath.Join(dir, name+"."+kind))
		if ferr == nil {
			ferr = errors.Join(pprof.Lookup(kind).WriteTo(out, 0), out.Close())
		}
		err = errors.Join(err, ferr)
	}
	return err
}
