import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";

// A page of its own, so that the chat loads nothing of it. Not by an `await` of the module: the build would then cut the
// chat into more files.
async function draw(): Promise<void> {
  const answer = await fetch("openapi.json");
  const spec = await answer.json();
  // The server may not know below which path a proxy shows it; this page does.
  spec.servers ??= [{ url: new URL(".", location.href).pathname }];
  SwaggerUI({
    dom_id: "#docs",
    spec,
    deepLinking: true,
    // Else the address of the document is sent to a validator on another host.
    validatorUrl: null,
  });
}

void draw();
