namespace ManyHands.Serialization;

/// <summary>
/// Types of the framework that mean something only in the process that made them, or whose state we can't see. Some would pass the
/// other rules by luck; all get advice that fits them.
/// </summary>
internal static class UnsendableTypes
{
    private const string ThreadTool = "coordinates threads of this process";
    private const string KeepToOneSide = "keep it on one side and send the data it guards";

    // By name: naming the types themselves would load a dozen assemblies that the application may never use.
    private static readonly (string TypeName, string Reason, string Remedy)[] Known =
    [
        ("System.IO.Stream", "is an open stream of this process", "open the file inside the function and pass its path, or pass its content as byte[]"),
        ("System.IO.TextReader", "is an open reader of this process", "pass the text as a string, or the path of the file"),
        ("System.IO.TextWriter", "is an open writer of this process", "return the text as a string, or pass the path of the file to write"),
        ("System.IO.BinaryReader", "is an open reader of this process", "pass the content as byte[], or the path of the file"),
        ("System.IO.BinaryWriter", "is an open writer of this process", "return the content as byte[], or pass the path of the file to write"),
        ("System.Runtime.InteropServices.SafeHandle", "is a handle of this process", "open the resource inside the function and pass its name or path"),
        ("System.Runtime.InteropServices.CriticalHandle", "is a handle of this process", "open the resource inside the function and pass its name or path"),
        ("System.Net.Sockets.Socket", "is a connection of this process", "connect inside the function and pass the address"),
        ("System.Net.Http.HttpMessageInvoker", "holds connections of this process", "create the client inside the function and pass the address to ask"),
        ("System.Data.Common.DbConnection", "is a connection of this process", "connect inside the function and pass the connection string"),
        ("System.Data.Common.DbDataReader", "reads from a connection of this process", "read the rows first and pass them as a list"),
        ("System.Diagnostics.Process", "is a handle of this process", "pass the process's Id"),
        ("System.Threading.Thread", "is a thread of this process", "send the data the thread works on"),
        ("System.Threading.CancellationToken", "belongs to the call, not to a value", "make it an argument of its own"),
        ("System.Threading.CancellationTokenSource", "belongs to this process", "make its Token an argument of its own"),
        ("System.Threading.Tasks.Task", "is work that runs in this process", "await it first and send its result"),
        ("System.Threading.Tasks.ValueTask", "is work that runs in this process", "await it first"),
        ("System.Threading.Tasks.ValueTask`1", "is work that runs in this process", "await it first and send its result"),
        ("System.IProgress`1", "is a receiver in this process", "make it an argument of its own"),
        ("System.Delegate", "is a function with whatever it captured", "pass the data it needs and choose the function on the other side, by an enum or a name"),
        ("System.Linq.Expressions.Expression", "is code, not data", "pass the data it needs and write the code inside the function"),
        ("System.Exception", "holds the stack and state of this process", "send its Message, or ToString() for everything"),
        ("System.Type", "is a type of this process", "make the function generic, or pass the type's name as a string"),
        ("System.Reflection.MemberInfo", "is a member of a type of this process", "pass its name as a string"),
        ("System.Reflection.ParameterInfo", "is a parameter of this process's code", "pass its name as a string"),
        ("System.Reflection.Assembly", "is an assembly of this process", "pass its path or name as a string"),
        ("System.Reflection.Module", "is a module of this process", "pass its name as a string"),
        ("System.IntPtr", "is an address or handle of this process", "send the data it points to, or a long if it is only a number"),
        ("System.UIntPtr", "is an address or handle of this process", "send the data it points to, or a ulong if it is only a number"),
        ("System.Lazy`1", "holds a function of this process", "send its Value, or make the value inside the function"),
        ("System.WeakReference", "refers to memory of this process", "send its Target's data"),
        ("System.WeakReference`1", "refers to memory of this process", "send its target's data"),
        ("System.Threading.ThreadLocal`1", "belongs to the threads of this process", "send its Value"),
        ("System.Threading.AsyncLocal`1", "belongs to the flow of this process", "send its Value"),
        ("System.Threading.Lock", ThreadTool, KeepToOneSide),
        ("System.Threading.WaitHandle", ThreadTool, KeepToOneSide),
        ("System.Threading.SemaphoreSlim", ThreadTool, KeepToOneSide),
        ("System.Threading.ReaderWriterLockSlim", ThreadTool, KeepToOneSide),
        ("System.Threading.ManualResetEventSlim", ThreadTool, KeepToOneSide),
        ("System.Threading.CountdownEvent", ThreadTool, KeepToOneSide),
        ("System.Threading.Barrier", ThreadTool, KeepToOneSide),
        ("System.Threading.SynchronizationContext", ThreadTool, KeepToOneSide),
        ("System.Threading.Tasks.TaskScheduler", ThreadTool, KeepToOneSide),
        ("System.Threading.Timer", "runs in this process", "start it inside the function and pass its period"),
        ("System.Threading.Channels.Channel`1", "connects threads of this process", "send the items as a list, or report them one by one through an IProgress argument"),
        ("System.Text.RegularExpressions.Regex", "is compiled in this process", "pass the pattern as a string and make the Regex inside the function"),
        ("System.Random", "has hidden state", "pass the seed as an int and make the Random inside the function"),
        ("System.Text.Encoding", "has hidden state", "pass its WebName and call Encoding.GetEncoding inside the function"),
        ("System.TimeZoneInfo", "has hidden state", "pass its Id and call TimeZoneInfo.FindSystemTimeZoneById inside the function"),
        ("System.Globalization.CompareInfo", "has hidden state", "pass the CultureInfo"),
        ("System.Security.Cryptography.X509Certificates.X509Certificate", "is a handle of this process", "export it and pass the bytes"),
        ("System.Text.StringBuilder", "has hidden state", "pass ToString()"),
        ("System.StringComparer", "is an algorithm, not data", "pass a StringComparison and call StringComparer.FromComparison inside the function"),
        ("System.Text.Json.Nodes.JsonNode", "may hold objects of any type", "pass a JsonElement, or ToJsonString()"),
        ("System.Xml.XmlNode", "is a tree with hidden state", "pass its OuterXml and parse it inside the function"),
        ("System.Xml.Linq.XObject", "is a tree with hidden state", "pass ToString() and parse it inside the function"),
        ("System.Dynamic.ExpandoObject", "can hold anything", "declare a record with the members you need, or a Dictionary<string, T>"),
        ("System.Dynamic.DynamicObject", "can hold anything", "declare a record with the members you need, or a Dictionary<string, T>"),
        ("System.Data.DataSet", "can hold anything", "send the rows as a list of records"),
        ("System.Data.DataTable", "can hold anything", "send the rows as a list of records"),
        ("System.Data.DataRow", "can hold anything", "send the values as a record"),
        ("System.Drawing.Color", "has hidden state", "pass ToArgb() and call Color.FromArgb inside the function"),
        ("System.Collections.Generic.IAsyncEnumerable`1", "is produced in this process while it is read", "collect it into a List first"),
        ("System.Linq.IQueryable", "is a query that runs in this process", "call ToList() first"),
        ("System.Linq.ILookup`2", "can't be built from outside", "send a Dictionary<TKey, List<TElement>>"),
        ("System.Linq.IGrouping`2", "can't be built from outside", "send a KeyValuePair<TKey, List<TElement>>"),
        ("System.Collections.Generic.PriorityQueue`2", "doesn't tell the order of equal priorities", "send UnorderedItems as a list and enqueue it inside the function"),
        ("System.Runtime.CompilerServices.ConditionalWeakTable`2", "refers to memory of this process", "send a Dictionary"),
        ("System.IServiceProvider", "holds services of this process", "build what the function needs inside the function"),
    ];

    private static readonly Dictionary<string, (string Reason, string Remedy)> ByTypeName =
        Known.ToDictionary(static known => known.TypeName, static known => (known.Reason, known.Remedy));

    public static IEnumerable<string> TypeNames => ByTypeName.Keys;

    /// <summary>The refusal for the type, one of its base classes or one of its interfaces.</summary>
    public static Refusal? Find(Type type)
    {
        if (type == typeof(object))
        {
            return Refusal.Here(
                "is declared as object, so the other process can't know what to make of it",
                "declare the actual type, or a base class that lists its kinds with [PolyType.DerivedTypeShape]");
        }

        if (type.IsPointer || type.IsFunctionPointer || type.IsByRef || type.IsByRefLike)
            return Refusal.Here($"is a {ReadableName.Of(type)}, an address in this process's memory", "send the data it points to, as an array");
        foreach (Type ancestor in Lineage(type))
        {
            string? name = (ancestor.IsGenericType ? ancestor.GetGenericTypeDefinition() : ancestor).FullName;
            if (name is not null && ByTypeName.TryGetValue(name, out (string Reason, string Remedy) found))
                return Refusal.Here(found.Reason, found.Remedy);
        }

        return null;
    }

    private static IEnumerable<Type> Lineage(Type type)
    {
        for (Type? current = type; current is not null; current = current.BaseType)
            yield return current;
        foreach (Type implemented in type.GetInterfaces())
            yield return implemented;
    }
}
