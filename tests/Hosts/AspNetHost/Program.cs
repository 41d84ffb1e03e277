using ManyHands;
using Newtonsoft.Json.Linq;

Console.WriteLine($"MAIN {Environment.ProcessId}");
await using Pool pool = Pool.Processes(1);
WebApplicationBuilder builder = WebApplication.CreateBuilder(args);
builder.Logging.ClearProviders();
await using WebApplication application = builder.Build();
application.Urls.Add("http://127.0.0.1:0");
application.MapGet("/", () => pool.RunAsync(ParseInChild, "{\"answer\": 42}"));
await application.StartAsync();
using (HttpClient client = new())
    Console.WriteLine(await client.GetStringAsync(new Uri(application.Urls.First())));
await application.StopAsync();

// The web framework's types are there in the child as well.
static string ParseInChild(string json) => $"JSON {Environment.ProcessId} {JObject.Parse(json)["answer"]} {typeof(HttpContext).Name}";
