using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text.Json;
using ManyHands.Bench.Running;

namespace ManyHands.Bench.Subjects;

/// <summary>A manager in a process of its own, over TCP of this machine: this process is its client, and others are its workers.</summary>
internal sealed class ManagerSubject : Subject
{
    private const int Outstanding = 1_000;
    private const string PythonKey = "sixteen bytes or more";

    public ManagerSubject(Options options)
        : base("manager", options)
    {
        const int operations = 20_000;
        const int tasks = 20_000;
        Contender python = Contender.Python("BaseManager", "managers.py");
        Contender jsonRpc = Contender.DotNet("StreamJsonRpc over TCP", "JsonRpcQueue");
        Contender stock = Ours.Named("Python clients of ours");
        Measurement pairs = Measure(Ours, "pairs", operations, PairsAsync);
        Measurement pythonPairs = Measure(python, "pairs", operations / 4);
        Measurement rpcPairs = Measure(jsonRpc, "pairs", operations / 4);
        Measurement pipelined = Measure(Ours, "pipelined", 10 * operations, PipelinedAsync);
        Measurement rpcPipelined = Measure(jsonRpc, "pipelined", operations);
        Measurement one = Measure(Ours, "tasks-1", tasks, count => TasksAsync(count, 1));
        Measurement pythonOne = Measure(python, "tasks-1", tasks / 2);
        Measurement two = Measure(Ours, "tasks-2", tasks, count => TasksAsync(count, 2));
        Measurement pythonTwo = Measure(python, "tasks-2", tasks / 2);
        Measurement pythonAlone = Measure(python, "alone", operations / 10);
        Measurement call = Measure(Ours, "remote-call", operations / 10, RemoteCallAsync);
        Measurement calls = Measure(Ours, "remote-calls", tasks, RemoteCallsAsync);
        Measurement connect = Measure(Ours, "connect", 200, ConnectAsync);
        Measurement pythonConnect = Measure(python, "connect", 20);
        Measurement stockPairs = Measure(stock, "stock-pairs", operations / 4, count => StockAsync("pairs", count), warmsUp: false);
        Measurement stockConnect = Measure(stock, "stock-connect", 20, count => StockAsync("connect", count), warmsUp: false);
        Rounds = 3;

        Compare("put and get, one at a time", "ops/s", pairs.Value, pythonPairs.Value, Goal.AtLeast(3));
        Compare("put, p50", "µs", pairs["p50"], pythonPairs["p50"]);
        Compare("put and get, 1,000 outstanding, beside one at a time", "ops/s", pipelined.Value, pythonPairs.Value, Goal.AtLeast(10));
        Compare("task to result, 1 worker", "tasks/s", one.Value, pythonOne.Value, Goal.AtLeast(5));
        Compare("task to result, 2 workers", "tasks/s", two.Value, pythonTwo.Value, Goal.AtLeast(5));
        Compare("Pool.Remote: one call at a time, p50, beside a task and its result", "µs", call["p50"], pythonAlone["p50"]);
        Compare("Pool.Remote: 1,000 calls outstanding, 1 worker, beside tasks to results", "calls/s", calls.Value, pythonOne.Value);
        Compare("connect, authenticate, first call, p50", "µs", connect["p50"], pythonConnect["p50"], Goal.AtMostOneIn(50));
        Compare("put and get, one at a time, beside StreamJsonRpc", "ops/s", pairs.Value, rpcPairs.Value);
        Compare("put and get, outstanding, beside StreamJsonRpc", "ops/s", pipelined.Value, rpcPipelined.Value);
        Compare("Python's own client, of our manager: put and get", "ops/s", stockPairs.Value, pythonPairs.Value);
        Compare("Python's own client, of our manager: connect, first call, p50", "µs", stockConnect["p50"], pythonConnect["p50"]);
    }

    private static async Task<Dictionary<string, double>> PairsAsync(int count)
    {
        await using Site site = await Site.OpenAsync();
        ISharedQueue<int> queue = site.Client.GetQueue<int>("tasks");
        double[] samples = new double[count / 2];
        long begin = Stopwatch.GetTimestamp();
        for (int i = 0; i < samples.Length; i++)
        {
            long before = Stopwatch.GetTimestamp();
            await queue.EnqueueAsync(i);
            samples[i] = Timing.Microseconds(before, Stopwatch.GetTimestamp());
            Figures.Check(i, await queue.DequeueAsync(), "The item");
        }

        double rate = 2.0 * samples.Length / Stopwatch.GetElapsedTime(begin).TotalSeconds;
        return new(Figures.Percentiles(samples)) { [Figures.Only] = rate };
    }

    private static async Task<Dictionary<string, double>> PipelinedAsync(int count)
    {
        await using Site site = await Site.OpenAsync();
        ISharedQueue<int> queue = site.Client.GetQueue<int>("tasks");
        long sum = 0;
        int rounds = count / 2 / Outstanding;
        double rate = await Timing.RateAsync(2.0 * rounds * Outstanding, async () =>
        {
            for (int round = 0; round < rounds; round++)
            {
                int first = round * Outstanding;
                await Task.WhenAll(Enumerable.Range(first, Outstanding).Select(i => queue.EnqueueAsync(i).AsTask()));
                int[] items = await Task.WhenAll(Enumerable.Range(0, Outstanding).Select(_ => queue.DequeueAsync().AsTask()));
                sum += items.Sum(each => (long)each);
            }
        });
        Figures.Check(Work.Sum(rounds * Outstanding), sum, "The sum of all items");
        return Figures.Of(rate);
    }

    private static async Task<Dictionary<string, double>> TasksAsync(int count, int workers)
    {
        await using Site site = await Site.OpenAsync();
        ISharedQueue<int> tasks = site.Client.GetQueue<int>("tasks");
        ISharedQueue<string> results = site.Client.GetQueue<string>("results");
        WorkerProcess[] others = [.. Enumerable.Range(0, workers).Select(_ => WorkerProcess.Start(WorkAsync, site.Port, site.Key))];
        for (int i = 0; i < workers; i++)
            Figures.Check("here", await results.DequeueAsync(), "A worker's first word");
        double rate = await Timing.RateAsync(count, async () =>
        {
            // As the peer does: put each, then get each.
            for (int i = 0; i < count; i++)
                await tasks.EnqueueAsync(i);
            for (int i = 0; i < count; i++)
                await results.DequeueAsync();
        });
        tasks.Complete();
        foreach (WorkerProcess other in others)
        {
            await other;
            await other.DisposeAsync();
        }

        return Figures.Of(rate);
    }

    private static async Task WorkAsync(int port, string key)
    {
        await using ManagerClient client = await ManagerClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), ManagerKey.FromBytes(Convert.FromBase64String(key)));
        ISharedQueue<int> tasks = client.GetQueue<int>("tasks");
        ISharedQueue<string> results = client.GetQueue<string>("results");
        await results.EnqueueAsync("here");
        await foreach (int i in tasks.ReadAllAsync())
            await results.EnqueueAsync(string.Create(CultureInfo.InvariantCulture, $"{i} * {i} = {(long)i * i}"));
    }

    private static async Task<Dictionary<string, double>> RemoteCallAsync(int count)
    {
        await using Site site = await Site.OpenAsync();
        await using Crew crew = await Crew.StartAsync(site);
        double[] samples = new double[count];
        for (int i = 0; i < count; i++)
        {
            long before = Stopwatch.GetTimestamp();
            Figures.Check(i, await crew.Pool.RunAsync(Work.Echo, i), "The result");
            samples[i] = Timing.Microseconds(before, Stopwatch.GetTimestamp());
        }

        return Figures.Percentiles(samples);
    }

    private static async Task<Dictionary<string, double>> RemoteCallsAsync(int count)
    {
        await using Site site = await Site.OpenAsync();
        await using Crew crew = await Crew.StartAsync(site);
        long sum = 0;
        double rate = await Timing.RateAsync(count, async () =>
        {
            for (int first = 0; first < count; first += Outstanding)
            {
                int[] results = await Task.WhenAll(Enumerable.Range(first, Outstanding).Select(i => crew.Pool.RunAsync(Work.Echo, i)));
                sum += results.Sum(each => (long)each);
            }
        });
        Figures.Check(Work.Sum(count), sum, "The sum of all results");
        return Figures.Of(rate);
    }

    private static async Task<Dictionary<string, double>> ConnectAsync(int count)
    {
        await using Site site = await Site.OpenAsync();
        ManagerKey key = ManagerKey.FromBytes(Convert.FromBase64String(site.Key));
        double[] samples = new double[count];
        for (int i = 0; i < count; i++)
        {
            long before = Stopwatch.GetTimestamp();
            ManagerClient client = await ManagerClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, site.Port), key);
            Figures.Check(0, client.GetQueue<string>("results").Count, "The count");
            samples[i] = Timing.Microseconds(before, Stopwatch.GetTimestamp());
            await client.DisposeAsync();
        }

        return Figures.Percentiles(samples);
    }

    // Python's own program, as a client of our manager.
    private static async Task<Dictionary<string, double>> StockAsync(string what, int count)
    {
        await using Site site = await Site.OpenAsync();
        using Process client = Process.Start(new ProcessStartInfo(
            Repository.Python, [Repository.Script("managers.py"), "client", "127.0.0.1", site.PythonPort.ToString(CultureInfo.InvariantCulture), PythonKey, what, count.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardOutput = true,
        })!;
        string answer = await client.StandardOutput.ReadToEndAsync();
        await client.WaitForExitAsync();
        Figures.Check(0, client.ExitCode, "Python's exit code");
        return JsonSerializer.Deserialize<Dictionary<string, double>>(answer)!;
    }

    // The manager's process: tells where it is, serves until it is told to end.
    private static async Task ServeAsync(SharedPipeEnd<string> told, CancellationToken token)
    {
        await using ManagerServer server = new();
        server.RegisterQueue<int>("tasks");
        server.RegisterQueue<string>("results");
        server.RegisterPool("pool");
        PythonListener python = server.ListenPython(new() { Key = ManagerKey.FromText(PythonKey), AllowLegacyMd5 = true });
        server.Start();
        await told.SendAsync($"{((IPEndPoint)server.EndPoint).Port} {((IPEndPoint)python.EndPoint).Port} {server.Key.ToBase64()}", token);
        await server.RunAsync(token);
    }

    /// <summary>A manager in another process and a client of it here.</summary>
    private sealed class Site(WorkerProcess server, ManagerClient client, int port, int pythonPort, string key) : IAsyncDisposable
    {
        public ManagerClient Client => client;

        public int Port => port;

        public int PythonPort => pythonPort;

        public string Key => key;

        public static async Task<Site> OpenAsync()
        {
            (SharedPipeEnd<string> receiver, SharedPipeEnd<string> sender) = SharedPipe.CreateSimplex<string>();
            WorkerProcess server = WorkerProcess.Start(ServeAsync, sender);
            sender.Dispose();
            using (receiver)
            {
                string[] words = (await receiver.ReceiveAsync()).Split(' ');
                int port = int.Parse(words[0], CultureInfo.InvariantCulture);
                ManagerClient client = await ManagerClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), ManagerKey.FromBytes(Convert.FromBase64String(words[2])));
                return new Site(server, client, port, int.Parse(words[1], CultureInfo.InvariantCulture), words[2]);
            }
        }

        public async ValueTask DisposeAsync()
        {
            await client.DisposeAsync();
            server.Terminate();
            await server.JoinAsync();
            await server.DisposeAsync();
        }
    }

    /// <summary>A pool over a site's manager, and one worker for it in a process of its own.</summary>
    private sealed class Crew(Pool pool, WorkerProcess worker) : IAsyncDisposable
    {
        public Pool Pool => pool;

        private static RemoteFunctions Functions => new RemoteFunctions().Add("echo", Work.Echo);

        public static async Task<Crew> StartAsync(Site site)
        {
            WorkerProcess worker = WorkerProcess.Start(ServeAsync, site.Port, site.Key);
            Pool pool = Pool.Remote(site.Client, "pool", Functions);
            Figures.Check(1, await pool.RunAsync(Work.Echo, 1), "The first result");
            return new Crew(pool, worker);
        }

        public async ValueTask DisposeAsync()
        {
            await pool.DisposeAsync();
            worker.Terminate();
            await worker.JoinAsync();
            await worker.DisposeAsync();
        }

        private static async Task ServeAsync(int port, string key, CancellationToken token)
        {
            await using ManagerClient client = await ManagerClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), ManagerKey.FromBytes(Convert.FromBase64String(key)), cancellationToken: token);
            await RemoteWorker.RunAsync(client, "pool", Functions, Pool.Threads(1), cancellationToken: token);
        }
    }
}
