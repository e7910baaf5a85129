import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";

// A page of its own, so that the chat loads nothing of it.
SwaggerUI({
  dom_id: "#docs",
  url: "openapi.json",
  deepLinking: true,
  // Else the address of the document is sent to a validator on another host.
  validatorUrl: null,
});
