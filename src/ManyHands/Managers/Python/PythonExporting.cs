namespace ManyHands.Managers;

/// <summary>Which objects Python clients can use, and which they can make.</summary>
internal static class PythonExporting
{
    /// <summary>The object as Python has it; null if it has none of the kind.</summary>
    public static PythonExport? Of(HostedObject hosted, string typeId, string ident, bool isCreated) => hosted switch
    {
        HostedQueue queue => new PythonExportedQueue(queue, typeId, ident) { IsCreated = isCreated },
        _ => null,
    };

    /// <summary>Whether it is one of a <c>SyncManager</c>'s own types.</summary>
    public static bool Makes(string typeId) => typeId is "Queue" or "JoinableQueue";

    /// <summary>A new object for a client.</summary>
    /// <exception cref="PythonRaisedException">The arguments don't fit.</exception>
    public static PythonExport Make(string typeId, string ident, PythonArguments arguments, StoredBytes bytes) => Of(MakeHosted(typeId, ident, arguments, bytes), typeId, ident, isCreated: true)!;

    /// <summary>Ends what a client made: those that wait are told, and what it holds is freed.</summary>
    public static void End(PythonExport export)
    {
        export.Hosted.Stop();
        PythonSession session = new("the end of an object");
        Operation? clear = export.Hosted.Kind switch
        {
            ObjectKind.Queue => Operation.ClearQueue,
            ObjectKind.Dictionary => Operation.Clear,
            ObjectKind.List => Operation.Clear,
            _ => null,
        };
        if (clear is { } operation)
            _ = session.AskAsync(export.Hosted, operation);
        session.EndAll();
    }

    private static HostedQueue MakeHosted(string typeId, string ident, PythonArguments arguments, StoredBytes bytes)
    {
        switch (typeId)
        {
            default:
                object? size = arguments.Bind(0, "maxsize")[0];
                long capacity = size == PythonArguments.Missing ? 0 : Math.Max(0, arguments.Integer(size, "maxsize"));
                return new HostedQueue(ident, ItemFormat<object>.TypeName, capacity, bytes, default, null) { Items = PythonItems<object>.Instance };
        }
    }
}
