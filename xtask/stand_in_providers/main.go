// A stand-in for a provider of terraform: it knows the provider's schema, from schema.json beside itself, and nothing of
// the cloud. Enough for `terraform validate` and, with mock_provider, `terraform test`.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

// What `terraform providers schema -json` prints of one provider.
type providerSchema struct {
	Provider    resource            `json:"provider"`
	Resources   map[string]resource `json:"resource_schemas"`
	DataSources map[string]resource `json:"data_source_schemas"`
}

type resource struct {
	Block block `json:"block"`
}

type block struct {
	Attributes map[string]attribute   `json:"attributes"`
	BlockTypes map[string]nestedBlock `json:"block_types"`
}

type attribute struct {
	Type      json.RawMessage `json:"type"`
	Required  bool            `json:"required"`
	Optional  bool            `json:"optional"`
	Computed  bool            `json:"computed"`
	Sensitive bool            `json:"sensitive"`
}

type nestedBlock struct {
	NestingMode string `json:"nesting_mode"`
	Block       block  `json:"block"`
	MinItems    int64  `json:"min_items"`
	MaxItems    int64  `json:"max_items"`
}

// Everything that is not here is never called: mock_provider does it.
type standIn struct {
	tfprotov6.ProviderServer
	schema providerSchema
}

func main() {
	executable, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(filepath.Dir(executable), "schema.json"))
	if err != nil {
		log.Fatal(err)
	}
	var schema providerSchema
	if err := json.Unmarshal(text, &schema); err != nil {
		log.Fatal(err)
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(executable), "terraform-provider-"), "_")
	server := func() tfprotov6.ProviderServer { return &standIn{schema: schema} }
	if err := tf6server.Serve("registry.terraform.io/hashicorp/"+name, server); err != nil {
		log.Fatal(err)
	}
}

func (s *standIn) GetMetadata(context.Context, *tfprotov6.GetMetadataRequest) (*tfprotov6.GetMetadataResponse, error) {
	return &tfprotov6.GetMetadataResponse{}, nil
}

func (s *standIn) GetProviderSchema(context.Context, *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	response := &tfprotov6.GetProviderSchemaResponse{
		ServerCapabilities: &tfprotov6.ServerCapabilities{GetProviderSchemaOptional: true},
		Provider:           schemaOf(s.schema.Provider),
		ResourceSchemas:    map[string]*tfprotov6.Schema{},
		DataSourceSchemas:  map[string]*tfprotov6.Schema{},
	}
	for name, resource := range s.schema.Resources {
		response.ResourceSchemas[name] = schemaOf(resource)
	}
	for name, source := range s.schema.DataSources {
		response.DataSourceSchemas[name] = schemaOf(source)
	}
	return response, nil
}

func (s *standIn) GetResourceIdentitySchemas(context.Context, *tfprotov6.GetResourceIdentitySchemasRequest) (*tfprotov6.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov6.GetResourceIdentitySchemasResponse{}, nil
}

func (s *standIn) ValidateProviderConfig(_ context.Context, request *tfprotov6.ValidateProviderConfigRequest) (*tfprotov6.ValidateProviderConfigResponse, error) {
	return &tfprotov6.ValidateProviderConfigResponse{PreparedConfig: request.Config}, nil
}

func (s *standIn) ValidateResourceConfig(context.Context, *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	return &tfprotov6.ValidateResourceConfigResponse{}, nil
}

func (s *standIn) ValidateDataResourceConfig(context.Context, *tfprotov6.ValidateDataResourceConfigRequest) (*tfprotov6.ValidateDataResourceConfigResponse, error) {
	return &tfprotov6.ValidateDataResourceConfigResponse{}, nil
}

func (s *standIn) StopProvider(context.Context, *tfprotov6.StopProviderRequest) (*tfprotov6.StopProviderResponse, error) {
	return &tfprotov6.StopProviderResponse{}, nil
}

func schemaOf(resource resource) *tfprotov6.Schema {
	return &tfprotov6.Schema{Block: blockOf(resource.Block)}
}

func blockOf(from block) *tfprotov6.SchemaBlock {
	to := &tfprotov6.SchemaBlock{}
	for _, name := range sorted(from.Attributes) {
		attribute := from.Attributes[name]
		kind, err := tftypes.ParseJSONType(attribute.Type) //nolint:staticcheck // the format is that of the printed schema
		if err != nil {
			log.Fatal(fmt.Errorf("%s: %w", name, err))
		}
		to.Attributes = append(to.Attributes, &tfprotov6.SchemaAttribute{
			Name: name, Type: kind, Required: attribute.Required, Optional: attribute.Optional, Computed: attribute.Computed, Sensitive: attribute.Sensitive,
		})
	}
	for _, name := range sorted(from.BlockTypes) {
		nested := from.BlockTypes[name]
		to.BlockTypes = append(to.BlockTypes, &tfprotov6.SchemaNestedBlock{
			TypeName: name, Block: blockOf(nested.Block), Nesting: nesting(nested.NestingMode), MinItems: nested.MinItems, MaxItems: nested.MaxItems,
		})
	}
	return to
}

func nesting(mode string) tfprotov6.SchemaNestedBlockNestingMode {
	switch mode {
	case "single":
		return tfprotov6.SchemaNestedBlockNestingModeSingle
	case "set":
		return tfprotov6.SchemaNestedBlockNestingModeSet
	default:
		return tfprotov6.SchemaNestedBlockNestingModeList
	}
}

func sorted[V any](from map[string]V) []string {
	names := make([]string, 0, len(from))
	for name := range from {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
