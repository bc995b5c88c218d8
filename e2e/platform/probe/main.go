// Command probe stands in for what a worker may and may not talk to, and tries from inside a pod what can be reached.
//
//	probe listen 8080 9999             answers HTTP on these ports with 200, until it is asked to stop
//	probe reach redis.infra:6379 …     one line each: open, refused (its host answered), unknown (no such name) or silent
//	probe page http://127.0.0.1:8080/   writes what it shows to standard output, whatever its status
//	probe file /proc/1/root/…/token    writes a file to standard output
package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// A policy drops what it does not allow, so that what is forbidden never answers.
const patience = 4 * time.Second

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	switch arguments := os.Args[2:]; os.Args[1] {
	case "listen":
		listen(arguments)
	case "reach":
		reach(arguments)
	case "page":
		for _, address := range arguments {
			page(address)
		}
	case "file":
		for _, name := range arguments {
			content, err := os.ReadFile(name)
			if err != nil {
				fail(err)
			}
			os.Stdout.Write(content)
		}
	default:
		usage()
	}
}

func usage() {
	fail(errors.New("usage: probe listen PORT... | reach HOST:PORT... | page URL... | file PATH..."))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "probe:", err)
	os.Exit(1)
}

func listen(ports []string) {
	for _, port := range ports {
		listener, err := net.Listen("tcp", ":"+port)
		if err != nil {
			fail(err)
		}
		go func() { fail(http.Serve(listener, http.HandlerFunc(answer))) }()
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
}

func answer(response http.ResponseWriter, request *http.Request) {
	fmt.Printf("%s %s\n", request.Method, request.URL.Path)
	response.WriteHeader(http.StatusOK)
}

func reach(targets []string) {
	answers := make([]string, len(targets))
	var all sync.WaitGroup
	for index, target := range targets {
		all.Go(func() { answers[index] = try(target) })
	}
	all.Wait()
	for index, target := range targets {
		fmt.Println(target, answers[index])
	}
}

func page(address string) {
	client := http.Client{Timeout: patience}
	response, err := client.Get(address)
	if err != nil {
		fail(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(os.Stdout, response.Body); err != nil {
		fail(err)
	}
}

func try(target string) string {
	connection, err := net.DialTimeout("tcp", target, patience)
	var name *net.DNSError
	switch {
	case err == nil:
		connection.Close()
		return "open"
	case errors.As(err, &name) && name.IsNotFound:
		return "unknown"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	default:
		return "silent"
	}
}
