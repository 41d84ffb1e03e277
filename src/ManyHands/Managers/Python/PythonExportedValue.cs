using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A value, as <c>multiprocessing.managers.Value</c> has it.</summary>
internal sealed class PythonExportedValue(HostedObject hosted, string typeId, string ident) : PythonExport(hosted, typeId, ident)
{
    private static readonly string[] Methods = ["get", "set"];

    public override IReadOnlyList<string> Exposed => Methods;

    public override async Task<object?> CallAsync(PythonSession session, PythonArguments arguments)
    {
        switch (arguments.Method)
        {
            case "get":
                arguments.None();
                return await ValueAsync(session).ConfigureAwait(false);
            case "set":
                await session.AskAsync(Hosted, Operation.Exchange, body: Block(arguments.Bind(1, "value")[0], "value")).ConfigureAwait(false);
                return null;
            default:
                throw Hidden(arguments);
        }
    }

    public override async Task<object?> ValueAsync(PythonSession session) => Item(await session.AskAsync(Hosted, Operation.Read).ConfigureAwait(false));

    private object? Item(ReadOnlyMemory<byte> answer)
    {
        PayloadReader reader = new(answer);
        return Hosted.Items!.ReadBlock(ref reader);
    }
}
