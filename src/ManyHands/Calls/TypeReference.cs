using System.Reflection;
using System.Runtime.Loader;
using ManyHands.Serialization;

namespace ManyHands.Calls;

/// <summary>
/// A type by its full name, with the file of its assembly for the case that plain probing finds none (plug-ins, other load contexts).
/// Used only for functions that a parent introduces to its child; values never name a type.
/// </summary>
internal static class TypeReference
{
    /// <summary>Read as bytes: code over a struct of the runtime's own isn't compiled ahead of time.</summary>
    public const int GuidSize = 16;

    private const string CoreLibrary = "System.Private.CoreLib";

    private enum Form : byte
    {
        /// <summary>By its assembly-qualified name: whatever else is built from types.</summary>
        Name,

        /// <summary>By assembly and metadata token, the quick way: finding a type by name costs a child milliseconds of compiling the parser of names.</summary>
        Definition,

        /// <summary>A generic type's definition, then its arguments.</summary>
        Constructed,

        /// <summary>An array: its rank, 0 for the ordinary one, then the type of its elements.</summary>
        Array,
    }

    public static void Write(PayloadWriter writer, Type type)
    {
        string name = type.AssemblyQualifiedName
            ?? throw new UnsendableCallException($"'{type}' has no name that another process could know.");
        if (type.IsConstructedGenericType)
        {
            writer.WriteByte((byte)Form.Constructed);
            Write(writer, type.GetGenericTypeDefinition());
            WriteMany(writer, type.GetGenericArguments());
            return;
        }

        if (type.IsArray)
        {
            writer.WriteByte((byte)Form.Array);
            writer.WriteByte((byte)(type.IsSZArray ? 0 : type.GetArrayRank()));
            Write(writer, type.GetElementType()!);
            return;
        }

        bool isDefinition = type.IsTypeDefinition;
        writer.WriteByte((byte)(isDefinition ? Form.Definition : Form.Name));
        writer.WriteString(type.Assembly.Location);
        if (!isDefinition)
        {
            writer.WriteString(name);
            return;
        }

        writer.WriteString(type.Assembly.GetName().Name);
        writer.WriteUnmanaged(type.Module.ModuleVersionId);
        writer.WriteUnmanaged(type.MetadataToken);
        writer.WriteString(type.FullName);
    }

    public static void WriteMany(PayloadWriter writer, Type[] types)
    {
        writer.WriteUnmanaged(types.Length);
        foreach (Type type in types)
            Write(writer, type);
    }

    public static Type Read(ref PayloadReader reader)
    {
        Form form = (Form)reader.ReadByte();
        if (form == Form.Constructed)
        {
            Type definition = Read(ref reader);
            return definition.MakeGenericType(ReadMany(ref reader));
        }

        if (form == Form.Array)
        {
            byte rank = reader.ReadByte();
            Type element = Read(ref reader);
            return rank == 0 ? element.MakeArrayType() : element.MakeArrayType(rank);
        }

        string file = reader.ReadRequiredString();
        string name = reader.ReadRequiredString();
        if (form == Form.Name)
            return Type.GetType(name, assembly => LoadAssembly(assembly, file), typeResolver: null, throwOnError: true)!;

        Guid build = new(reader.ReadBytes(GuidSize));
        int token = reader.ReadUnmanaged<int>();
        string fullName = reader.ReadRequiredString();
        Assembly assembly = name == CoreLibrary ? typeof(object).Assembly : LoadAssembly(new AssemblyName { Name = name }, file);

        if (assembly.ManifestModule.ModuleVersionId == build)
            return assembly.ManifestModule.ResolveType(token);

        // Of .NET itself a later patch will do. Of anything else, values would be read as what they aren't.
        return FrameworkAssemblies.Has(assembly)
            ? assembly.GetType(fullName, throwOnError: true)!
            : throw new FunctionNotFoundException($"{fullName} is another type there: {OtherBuild(assembly, build)}");
    }

    /// <summary>What to say of an assembly that isn't the caller's.</summary>
    public static string OtherBuild(Assembly assembly, Guid wanted) =>
        $"the caller runs build {wanted} of {assembly.GetName().Name}, and its worker has loaded build {assembly.ManifestModule.ModuleVersionId} from {assembly.Location}. Its file was replaced while the program ran; restart the program.";

    public static Type[] ReadMany(ref PayloadReader reader)
    {
        Type[] types = new Type[reader.ReadCount(bytesEach: sizeof(byte) + sizeof(int) * 2)];
        for (int i = 0; i < types.Length; i++)
            types[i] = Read(ref reader);
        return types;
    }

    private static Assembly LoadAssembly(AssemblyName name, string file)
    {
        try
        {
            return Assembly.Load(name);
        }
        catch (FileNotFoundException) when (File.Exists(file) && string.Equals(Path.GetFileNameWithoutExtension(file), name.Name, StringComparison.OrdinalIgnoreCase))
        {
            return AssemblyLoadContext.Default.LoadFromAssemblyPath(file);
        }
        catch (FileNotFoundException)
        {
            // The file belongs to the outermost type; a type argument may live beside it.
            string beside = Path.Combine(Path.GetDirectoryName(file) ?? "", name.Name + ".dll");
            if (!File.Exists(beside))
                throw;
            return AssemblyLoadContext.Default.LoadFromAssemblyPath(beside);
        }
    }
}
