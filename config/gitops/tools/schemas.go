package main

// controller-gen makes the CRD of HelmRelease of these types, as its own project does.
import _ "github.com/fluxcd/helm-controller/api/v2"
