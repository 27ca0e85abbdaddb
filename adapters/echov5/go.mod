module github.com/authmw/authmw/adapters/echov5

go 1.25.0

require (
	github.com/authmw/authmw v0.1.0
	github.com/labstack/echo/v5 v5.0.4
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)

replace github.com/authmw/authmw => ../..
