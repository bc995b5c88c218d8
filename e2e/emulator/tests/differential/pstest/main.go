// Command pstest serves Google's Go fake of Pub/Sub until its standard input ends, and writes how the messages of
// Pub/Sub and of IAM are made (a FileDescriptorSet) to the file it is given. It prints its address first.
package main

import (
	"fmt"
	"io"
	"os"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// add appends a file behind the files that it imports.
func add(set *descriptorpb.FileDescriptorSet, known map[string]bool, file protoreflect.FileDescriptor) {
	if known[file.Path()] {
		return
	}
	known[file.Path()] = true
	for i := range file.Imports().Len() {
		add(set, known, file.Imports().Get(i).FileDescriptor)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
}

func describe(path string) error {
	set, known := &descriptorpb.FileDescriptorSet{}, map[string]bool{}
	for _, file := range []protoreflect.FileDescriptor{
		pubsubpb.File_google_pubsub_v1_pubsub_proto,
		pubsubpb.File_google_pubsub_v1_schema_proto,
		iampb.File_google_iam_v1_iam_policy_proto,
	} {
		add(set, known, file)
	}
	bytes, err := proto.Marshal(set)
	if err != nil {
		return err
	}
	return os.WriteFile(path, bytes, 0o600)
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: pstest FILE (for the FileDescriptorSet)")
		os.Exit(2)
	}
	if err := describe(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "pstest:", err)
		os.Exit(1)
	}
	server := pstest.NewServer()
	fmt.Println(server.Addr)
	// Whoever started it goes, and so does it.
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = server.Close()
}
