#:project ../../src/ManyHands/ManyHands.csproj

// Five pages, three at a time, on one thread: the tutorial's "gevent.pool". Run it with: dotnet run samples/tutorial/coroutine-pool.cs [url ...]
// Without URLs it fetches from a small web server of its own, so that it works without a network.

using System.Net;
using System.Net.Sockets;
using System.Text;
using ManyHands;

using HttpClient http = new();
using PageServer server = new(new()
{
    ["/github"] = (53784, 1000),
    ["/python"] = (49115, 200),
    ["/xueyp"] = (7101, 400),
    ["/baidu"] = (81, 500),
    ["/163"] = (688437, 1000),
});

async Task<string> RunTask(string url)
{
    Console.WriteLine($"Visit --> {url}");
    try
    {
        byte[] data = await http.GetByteArrayAsync(url);
        Console.WriteLine($"{data.Length} bytes received from {url}.");
    }
    catch (Exception e)
    {
        Console.WriteLine(e.Message);
    }

    return $"{url} is fetched";
}

await using Pool pool = Pool.Coroutines(3);
string[] urls = args.Length > 0 ? args : server.Urls;
List<string> results = await pool.MapAsync(RunTask, urls).ToListAsync();
Console.WriteLine($"[{string.Join(", ", results.Select(result => $"'{result}'"))}]");

/// <summary>A web server just large enough for this example: it answers with pages of known sizes, each after its own time.</summary>
internal sealed class PageServer : IDisposable
{
    private readonly Dictionary<string, (int Size, int Milliseconds)> pages;
    private readonly TcpListener listener = new(IPAddress.Loopback, port: 0);

    public PageServer(Dictionary<string, (int Size, int Milliseconds)> pages)
    {
        this.pages = pages;
        listener.Start();
        _ = AcceptAsync();
    }

    public string[] Urls => [.. pages.Keys.Select(path => $"http://{listener.LocalEndpoint}{path}")];

    public void Dispose() => listener.Dispose();

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = AnswerAsync(await listener.AcceptTcpClientAsync());
        }
        catch (Exception reason) when (reason is SocketException or ObjectDisposedException)
        {
            // The listener was disposed of: no more visitors.
        }
    }

    private async Task AnswerAsync(TcpClient visitor)
    {
        using TcpClient client = visitor;
        using StreamReader request = new(client.GetStream(), Encoding.ASCII);
        string path = (await request.ReadLineAsync())?.Split(' ') is [_, string asked, ..] ? asked : "";
        while (await request.ReadLineAsync() is { Length: > 0 })
        {
            // The headers say nothing that matters here; an empty line ends them, and a GET has nothing after it.
        }

        bool isKnown = pages.TryGetValue(path, out (int Size, int Milliseconds) page);
        await Task.Delay(page.Milliseconds);
        string head = $"HTTP/1.1 {(isKnown ? "200 OK" : "404 Not Found")}\r\nContent-Type: text/html\r\nContent-Length: {page.Size}\r\nConnection: close\r\n\r\n";
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(head + new string(' ', page.Size)));
    }
}
