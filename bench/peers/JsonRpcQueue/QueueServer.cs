using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;

namespace ManyHands.Bench.JsonRpcQueue;

/// <summary>A queue on a port, as one writes it with StreamJsonRpc and that library's defaults.</summary>
internal sealed class QueueServer
{
    private readonly Channel<int> items = Channel.CreateUnbounded<int>();

    public static async Task<int> RunAsync()
    {
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        await Console.Out.WriteLineAsync(((IPEndPoint)listener.LocalEndPoint!).Port.ToString(CultureInfo.InvariantCulture));
        QueueServer target = new();
        _ = Task.Run(async () =>
        {
            while (true)
            {
                Socket client = await listener.AcceptAsync();
                client.NoDelay = true;
                StreamJsonRpc.JsonRpc.Attach(new NetworkStream(client, ownsSocket: true), target);
            }
        });
        await Console.In.ReadToEndAsync();
        return 0;
    }

    public bool Put(int item) => items.Writer.TryWrite(item);

    public ValueTask<int> GetAsync() => items.Reader.ReadAsync();
}
