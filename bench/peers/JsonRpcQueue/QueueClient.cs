using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace ManyHands.Bench.JsonRpcQueue;

/// <summary>Puts into and gets from the server's queue.</summary>
internal sealed class QueueClient
{
    private Process? server;
    private StreamJsonRpc.JsonRpc? rpc;

    public async Task<int> ServeAsync()
    {
        int status = await Serving.RunAsync(new Dictionary<string, Serve>
        {
            ["pairs"] = new(PairsAsync, WarmsUp: true),
            ["pipelined"] = new(PipelinedAsync, WarmsUp: true),
        });
        rpc?.Dispose();
        if (server is not null)
        {
            server.StandardInput.Close();
            await server.WaitForExitAsync();
            server.Dispose();
        }

        return status;
    }

    private async Task<StreamJsonRpc.JsonRpc> ConnectedAsync()
    {
        if (rpc is not null)
            return rpc;
        server = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, ["exec", typeof(QueueClient).Assembly.Location, "server"]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        int port = int.Parse((await server.StandardOutput.ReadLineAsync())!, CultureInfo.InvariantCulture);
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, port);
        return rpc = StreamJsonRpc.JsonRpc.Attach(new NetworkStream(socket, ownsSocket: true));
    }

    private async Task<Dictionary<string, double>> PairsAsync(int count)
    {
        StreamJsonRpc.JsonRpc queue = await ConnectedAsync();
        double[] samples = new double[count / 2];
        long begin = Stopwatch.GetTimestamp();
        for (int i = 0; i < samples.Length; i++)
        {
            long before = Stopwatch.GetTimestamp();
            await queue.InvokeAsync("Put", i);
            samples[i] = Stopwatch.GetElapsedTime(before).TotalMicroseconds;
            Figures.Check(i, await queue.InvokeAsync<int>("GetAsync"), "The item");
        }

        double rate = 2.0 * samples.Length / Stopwatch.GetElapsedTime(begin).TotalSeconds;
        return new(Figures.Percentiles(samples)) { [Figures.Only] = rate };
    }

    private async Task<Dictionary<string, double>> PipelinedAsync(int count)
    {
        StreamJsonRpc.JsonRpc queue = await ConnectedAsync();
        long begin = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, count / 2).Select(i => queue.InvokeAsync("Put", i)));
        int[] items = await Task.WhenAll(Enumerable.Range(0, count / 2).Select(_ => queue.InvokeAsync<int>("GetAsync")));
        double rate = count / 2 * 2 / Stopwatch.GetElapsedTime(begin).TotalSeconds;
        Figures.Check((long)(count / 2) * (count / 2 - 1) / 2, items.Sum(each => (long)each), "The sum of all items");
        return Figures.Of(rate);
    }
}
