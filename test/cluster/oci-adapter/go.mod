module drydock.dev/test/oci-adapter

go 1.26.0
