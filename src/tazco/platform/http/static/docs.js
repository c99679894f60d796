// A fresh Idempotency-Key for whoever tries a command and leaves the field as it is.
window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  docExpansion: "list",
  persistAuthorization: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (request.headers["Idempotency-Key"] === "new") request.headers["Idempotency-Key"] = crypto.randomUUID();
    return request;
  },
});
