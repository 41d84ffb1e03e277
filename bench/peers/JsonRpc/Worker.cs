namespace ManyHands.Bench.JsonRpc;

/// <summary>The child: StreamJsonRpc over its standard streams, with that library's defaults.</summary>
internal sealed class Worker
{
    public static async Task<int> RunAsync()
    {
        using StreamJsonRpc.JsonRpc rpc = StreamJsonRpc.JsonRpc.Attach(Console.OpenStandardOutput(), Console.OpenStandardInput(), new Worker());
        await rpc.Completion;
        return 0;
    }

#pragma warning disable CA1822 // StreamJsonRpc calls methods of an instance.
    public int Echo(int number) => number;
#pragma warning restore CA1822
}
