using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using System.Runtime.CompilerServices;
using ManyHands;
using Newtonsoft.Json;

/// <summary>
/// Changes a method of this program while it runs, as hot reload does it, and says what becomes of calls before and after. Needs DOTNET_MODIFIABLE_ASSEMBLIES=debug.
/// </summary>
internal static class Updated
{
    private const int Changed = 43;

    public static async Task<int> RunAsync()
    {
        await using Pool pool = Pool.Processes(1);
        await using Pool threads = Pool.Threads(1);
        Console.WriteLine($"BEFORE {Answer()} {await pool.RunAsync(Answer)}");
        Update(((Func<int>)Answer).Method, Changed);
        Console.WriteLine($"CHANGED {Answer()} {await threads.RunAsync(Answer)}");
        Console.WriteLine($"FUNCTION {await Outcome(() => pool.RunAsync(Answer))}");
        Console.WriteLine($"LAMBDA {await Outcome(() => pool.RunAsync(static () => Answer()))}");
        Console.WriteLine($"MAP {await Outcome(async () => await pool.MapAsync(static x => x + Answer(), [1, 2]).CountAsync())}");
        Console.WriteLine($"PROCESS {await Outcome(async () => await WorkerProcess.Start(Answer))}");
        Console.WriteLine($"ARGUMENT {await Outcome(async () => (await pool.RunAsync(Enumerable.Max, new[] { new Number(1) })).Value)}");
        Console.WriteLine($"OTHER {await Outcome(() => pool.RunAsync((Func<int, int>)Math.Abs, -7))}");
        Console.WriteLine($"LIBRARY {await Outcome(async () => (await pool.RunAsync((Func<int, string>)JsonConvert.ToString, 7)).Length)}");
        return 0;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Answer() => 42;

    private static async Task<string> Outcome(Func<Task<int>> call)
    {
        try
        {
            return $"{await call()}";
        }
        catch (UnsendableCallException refusal)
        {
            return $"refused: {refusal.Message}";
        }
    }

    // What the compiler and the agent of dotnet watch do: the difference, its application, then the handlers of all assemblies.
    private static void Update(MethodInfo method, int returns)
    {
        Assembly assembly = method.Module.Assembly;
        (byte[] metadata, byte[] code) = Difference(assembly.Location, method, returns);
        MetadataUpdater.ApplyUpdate(assembly, metadata, code, []);
        Type[] types = [method.DeclaringType!];
        foreach (string name in (string[])["ClearCache", "UpdateApplication"])
        {
            foreach (MetadataUpdateHandlerAttribute handler in AppDomain.CurrentDomain.GetAssemblies().SelectMany(static one => one.GetCustomAttributes<MetadataUpdateHandlerAttribute>()))
                handler.HandlerType.GetMethod(name, BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic, [typeof(Type[])])?.Invoke(null, [types]);
        }
    }

    private static (byte[] Metadata, byte[] Code) Difference(string file, MethodInfo method, int returns)
    {
        using PEReader image = new(File.OpenRead(file));
        MetadataReader reader = image.GetMetadataReader();
        MethodDefinitionHandle handle = (MethodDefinitionHandle)MetadataTokens.EntityHandle(method.MetadataToken);
        MethodDefinition old = reader.GetMethodDefinition(handle);

        BlobBuilder code = new();
        code.WriteInt32(0);
        MethodBodyStreamEncoder bodies = new(code);
        InstructionEncoder body = new(new BlobBuilder());
        body.LoadConstantI4(returns);
        body.OpCode(ILOpCode.Ret);
        int offset = bodies.AddMethodBody(body);

        MetadataBuilder delta = new(
            reader.GetHeapSize(HeapIndex.UserString), reader.GetHeapSize(HeapIndex.String), reader.GetHeapSize(HeapIndex.Blob), reader.GetHeapSize(HeapIndex.Guid));
        ModuleDefinition module = reader.GetModuleDefinition();
        delta.AddModule(
            1, delta.GetOrAddString(reader.GetString(module.Name)), delta.GetOrAddGuid(reader.GetGuid(module.Mvid)), delta.GetOrAddGuid(Guid.NewGuid()), default);
        delta.AddMethodDefinition(
            old.Attributes, old.ImplAttributes, delta.GetOrAddString(reader.GetString(old.Name)), delta.GetOrAddBlob(reader.GetBlobBytes(old.Signature)), offset, default);
        delta.AddEncLogEntry(handle, EditAndContinueOperation.Default);
        delta.AddEncMapEntry(handle);
        BlobBuilder metadata = new();
        new MetadataRootBuilder(delta, suppressValidation: true).Serialize(metadata, methodBodyStreamRva: 0, mappedFieldDataStreamRva: 0);
        return (metadata.ToArray(), code.ToArray());
    }

    public readonly record struct Number(int Value) : IComparable<Number>
    {
        public int CompareTo(Number other) => Value.CompareTo(other.Value);
    }
}
