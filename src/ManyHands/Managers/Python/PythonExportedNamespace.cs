namespace ManyHands.Managers;

/// <summary>Attributes under names, as <c>multiprocessing.managers.Namespace</c> has them: a dictionary of the client's own.</summary>
internal sealed class PythonExportedNamespace(HostedDictionary dictionary, string typeId, string ident) : PythonExport(dictionary, typeId, ident)
{
    private static readonly string[] Methods = ["__delattr__", "__getattribute__", "__setattr__"];

    private readonly PythonExportedDictionary attributes = new(dictionary, typeId, ident);

    public override IReadOnlyList<string> Exposed => Methods;

    public override async Task<object?> CallAsync(PythonSession session, PythonArguments arguments)
    {
        switch (arguments.Method)
        {
            case "__getattribute__":
                string read = Name(arguments.Bind(1, "name")[0]);
                return await attributes.FindAsync(session, read).ConfigureAwait(false) is (true, var value) ? value : throw Missing(read);
            case "__setattr__":
                object?[] set = arguments.Bind(2, "name", "value");
                await attributes.SetAsync(session, Name(set[0]), set[1]).ConfigureAwait(false);
                return null;
            case "__delattr__":
                string deleted = Name(arguments.Bind(1, "name")[0]);
                return await attributes.RemoveAsync(session, deleted).ConfigureAwait(false) ? null : throw Missing(deleted);
            default:
                throw Hidden(arguments);
        }
    }

    public override Task<string> TextAsync(PythonSession session) => Task.FromResult($"Namespace({string.Join(", ", attributes.Copy().Select(entry => $"{entry.Key}={PythonText.Of(entry.Value)}"))})");

    private static string Name(object? name) => name as string ?? throw PythonRaisedException.Builtin("TypeError", $"attribute name must be string, not '{PythonText.TypeOf(name)}'");

    private static PythonRaisedException Missing(string name) => PythonRaisedException.Builtin("AttributeError", $"'Namespace' object has no attribute '{name}'");
}
