declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  /** Draws the documentation; the fields are those of its own manual ("Configuration"). */
  export default function SwaggerUI(configuration: {
    readonly dom_id: string;
    readonly spec: unknown;
    readonly deepLinking: boolean;
    readonly validatorUrl: null;
  }): void;
}
