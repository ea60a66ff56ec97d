// Exports `count` spans through one of the OpenTelemetry exporters and prints how many were handed over.
// usage: node export.mjs proto|http|grpc ENDPOINT none|gzip COUNT
import { SpanStatusCode, context, trace } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const [flavour, url, compression, count] = process.argv.slice(2);
const { OTLPTraceExporter } = await import(`@opentelemetry/exporter-trace-otlp-${flavour}`);
const exporter = new OTLPTraceExporter({ url, compression });
const provider = new BasicTracerProvider({
  resource: resourceFromAttributes({ 'service.name': `shop-${flavour}`, 'telemetry.sdk.language': 'nodejs' }),
  spanProcessors: [new BatchSpanProcessor(exporter, { maxQueueSize: 4096, maxExportBatchSize: 64 })],
});
const tracer = provider.getTracer('shop.cart', '1.2.3');
for (let number = 0; number < Number(count); number += 2) {
  const parent = tracer.startSpan('GET /cart', {
    attributes: {
      'http.route': '/cart/{id}', 'http.response.status_code': 503,
      'app.number': number, 'app.ratio': 0.5, 'app.flag': true, 'app.list': ['a', 'b'], 'app.cut': 'x\ud83d',
    },
  });
  const child = tracer.startSpan('price', {}, trace.setSpan(context.active(), parent));
  child.recordException(new TypeError(`number ${number} is odd`));
  child.setStatus({ code: SpanStatusCode.ERROR, message: 'odd' });
  child.end();
  parent.end();
}
await provider.forceFlush();
await provider.shutdown();
